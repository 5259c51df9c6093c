-- The tables of a run, for any DuckDB shell. `storage/views.py` fills in each {table} with the shards that current,
-- non-stale attempts list. A run's own copy is RUN/views.sql: cd RUN && duckdb -init views.sql

create or replace view samples        as select * from read_parquet({samples}, union_by_name = true);
create or replace view rejected       as select * from read_parquet({rejected}, union_by_name = true);
create or replace view selected       as select * from read_parquet({selected}, union_by_name = true);
create or replace view rollouts       as select * from read_parquet({rollouts}, union_by_name = true);
create or replace view difficulty     as select * from read_parquet({difficulty}, union_by_name = true);
create or replace view hint_traces    as select * from read_parquet({hint_traces}, union_by_name = true);
create or replace view dropped        as select * from read_parquet({dropped}, union_by_name = true);
create or replace view curated        as select * from read_parquet({curated}, union_by_name = true);
create or replace view old_logprobs   as select * from read_parquet({old_logprobs}, union_by_name = true);
create or replace view train_steps    as select * from read_parquet({train_steps}, union_by_name = true);
create or replace view train_rollouts as select * from read_parquet({train_rollouts}, union_by_name = true);
create or replace view evaluations    as select * from read_parquet({evaluations}, union_by_name = true);

-- One row a policy and level of the benchmark, as SEED-Bench-R1 reports it, of the greedy responses. task_level is null
-- where there are none.
create or replace view evaluation_levels as
select
    round_index, policy_version, task_level,
    count(*) as num_samples,
    avg(reward) as mean_reward,
    avg(reward_accuracy) as accuracy,
    avg(reward_iou) as mean_iou
from evaluations
where temperature = 0
group by all;

-- One row an attempt: every complete one, and whether it is current.
create or replace view stages as
select * from (values {stages})
    as t(round_index, stage, key, attempt, current, num_rows, seconds, ended)
where round_index is not null;

-- One row a group of rollouts. normalised_reward is divided by the problem type's maximum: 0 to 1.
create or replace view groups as
select
    run_id, round_index, pass, sample_id, group_id, group_index, problem_type, policy_version, augmentation, level,
    count(*) as num_rollouts,
    avg(reward) as mean_reward,
    stddev_pop(reward) as std_reward,
    avg(reward_accuracy) as accuracy,
    avg(reward / max_reward) as normalised_reward,
    min(reward) = max(reward) as vanished
from rollouts
group by all;

-- What was done to each sample, and its effect: the augmented group against the control, never against the score
-- that selected the sample.
create or replace view augmentations as
select
    plan.*,
    before.mean_reward as reward_before,
    control.mean_reward as reward_control,
    after.mean_reward as reward_after,
    after.mean_reward - control.mean_reward as effect,
    control.vanished as vanished_control,
    after.vanished as vanished_after
from read_parquet({augmentations}, union_by_name = true) as plan
left join groups as before
    on before.round_index = plan.round_index and before.sample_id = plan.sample_id and before.pass = 'original'
left join groups as control
    on control.round_index = plan.round_index and control.sample_id = plan.sample_id and control.pass = 'control'
left join groups as after
    on after.round_index = plan.round_index and after.sample_id = plan.sample_id and after.pass = 'augmented';

-- One row a round and problem type: the hard samples whose answer was put into the prompt, and what became of them.
-- num_usable: traces that earned more than the format and hold reasoning. leak_rate: share of the hints asked for that
-- would have given the answer away. num_cut_*: hints given, but shorter. num_<reason>: samples without a hint.
create or replace view hints as
with traced as (
    select round_index, sample_id, count(*) as num_traces, count(*) filter (usable) as num_usable
    from hint_traces group by all
)
select
    plan.round_index, samples.problem_type,
    count(*) as num_samples,
    sum(num_traces)::bigint as num_traces,
    sum(num_usable)::bigint as num_usable,
    count(*) filter (kind = 'hint') as num_hints,
    avg(hint_leaked::int) filter (reason in ('', 'leak', 'context')) as leak_rate,
    count(*) filter (kind = 'hint' and hint_leaked) as num_cut_by_leak,
    count(*) filter (kind = 'hint' and hint_too_long) as num_cut_by_context,
    count(*) filter (reason = 'no_correct_trace') as num_no_correct_trace,
    count(*) filter (reason = 'no_trace') as num_no_trace,
    count(*) filter (reason = 'empty') as num_empty,
    count(*) filter (reason = 'leak') as num_leak,
    count(*) filter (reason = 'context') as num_context
from augmentations as plan
join traced using (round_index, sample_id)
join samples using (sample_id)
group by all
order by all;

-- What augmentations did, by kind and by level in fifths (level: the middle of the fifth), over the samples that have a
-- control. effect_low, effect_high: 95 % interval of the mean effect by Student's t, whose quantile is Cornish and
-- Fisher's series (3 % short for three samples, below 1 % from four on), or null for fewer than three samples.
create or replace view effects as
with measured as (
    select
        kind, (least(floor(level * 5), 4) + 0.5) / 5 as level,
        count(*) as num_samples,
        avg(effect) as effect,
        stddev_samp(effect) / sqrt(count(*)) as standard_error,
        avg(vanished_control::int) as vanished_control,
        avg(vanished_after::int) as vanished_after
    from augmentations where effect is not null group by all
), with_interval as (
    select *, case when num_samples > 2 then standard_error * (
        1.96 + 2.372 / (num_samples - 1) + 2.823 / (num_samples - 1) ** 2 + 2.556 / (num_samples - 1) ** 3
    ) end as half
    from measured
)
select
    kind, level, num_samples, effect, effect - half as effect_low, effect + half as effect_high,
    vanished_control, vanished_after
from with_interval
order by all;

-- One row a round. vanishing_before: share of original groups whose rewards are all equal. vanishing_after: the same
-- over the groups made to be trained on, which are in `curated`, one a position, or were dropped for equal rewards.
create or replace view rounds as
with scored as (
    select
        round_index,
        any_value(policy_version) as policy_version,
        count(*) as num_groups,
        avg(mean_reward) as mean_reward,
        avg(accuracy) as accuracy,
        avg(vanished::int) as vanishing_before
    from groups where pass = 'original' group by round_index
), made as (
    select round_index, true as is_trained, min(reward) = max(reward) as vanished
    from curated group by round_index, position
    union all
    select round_index, false, true from dropped where stage = 'curate' and reason = 'equal_rewards'
), trained as (
    select round_index, avg(vanished::int) as vanishing_after from made group by round_index
), labelled as (
    select
        round_index,
        count(*) filter (label = 'hard') as num_hard,
        count(*) filter (label = 'easy') as num_easy,
        count(*) filter (label = 'kept') as num_kept
    from difficulty group by round_index
), counted as (
    select round_index, count(*) as num_rollouts from rollouts group by round_index
), fed as (
    select round_index, count(*) filter (is_trained) as num_trained from made group by round_index
), validated as (
    select round_index, avg(reward_accuracy) as validation_accuracy
    from evaluations where temperature = 0 group by round_index
), timed as (
    select round_index, sum(seconds) as seconds from stages where current group by round_index
)
select *
from scored
left join trained using (round_index)
left join labelled using (round_index)
left join counted using (round_index)
left join fed using (round_index)
left join validated using (round_index)
left join timed using (round_index)
order by round_index;
