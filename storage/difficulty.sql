/*
Difficulty of one round's groups (arXiv:2506.07464, Eq. 9): the mean reward of the replay window minus the group's own
mean reward. Positive is hard, negative is easy.

The window is the last `window_size` groups, in order of `group_index`, among those with a smaller `round_index`; with
`window_unit` 'rounds' it is every group of the last `window_size` rounds before this one. The round's own groups are
never in it. While it is empty, window_reward is NULL and difficulty is 0.0. With an `absolute_reward` (the paper's
ablation) there is no window: every group is compared with that constant, which stands in window_reward, and
window_groups is 0. A variable that is not set counts as 'samples', and as no constant.

storage/difficulty.py runs this file as it is. By hand, in any DuckDB shell: paste the setup, then the query below; then
each change of the setup, and the query again.

Setup:
CREATE TABLE groups (round_index INTEGER, group_index INTEGER, sample_id VARCHAR, mean_reward DOUBLE);
INSERT INTO groups VALUES
  (0, 0, 'cat', 2.0), (0, 1, 'dog', 0.25),
  (1, 2, 'cat', 1.0), (1, 3, 'fox', 1.75),
  (2, 4, 'dog', 0.5), (2, 5, 'fox', 1.5), (2, 6, 'owl', 1.0);
SET VARIABLE round_index = 2;
SET VARIABLE window_size = 3;

Expected (the window is dog 0.25, cat 1.0, fox 1.75):
  sample_id | mean_reward | window_reward | difficulty | window_groups
  dog       | 0.5         | 1.0           | 0.5        | 3
  fox       | 1.5         | 1.0           | -0.5       | 3
  owl       | 1.0         | 1.0           | 0.0        | 3

Setup:
SET VARIABLE window_unit = 'rounds';
SET VARIABLE window_size = 1;

Expected (the window is round 1: cat 1.0, fox 1.75):
  sample_id | mean_reward | window_reward | difficulty | window_groups
  dog       | 0.5         | 1.375         | 0.875      | 2
  fox       | 1.5         | 1.375         | -0.125     | 2
  owl       | 1.0         | 1.375         | 0.375      | 2

Setup:
SET VARIABLE absolute_reward = 0.75;
SET VARIABLE round_index = 0;

Expected (no window is needed, so the first round has a difficulty too):
  sample_id | mean_reward | window_reward | difficulty | window_groups
  cat       | 2.0         | 0.75          | -1.25      | 0
  dog       | 0.25        | 0.75          | 0.5        | 0
*/
WITH earlier AS (
    SELECT mean_reward
    FROM groups
    WHERE
        getvariable('absolute_reward') IS NULL
        AND round_index < getvariable('round_index')
        AND (
            getvariable('window_unit') IS DISTINCT FROM 'rounds'
            OR round_index >= getvariable('round_index') - getvariable('window_size')
        )
    ORDER BY group_index DESC
    LIMIT CASE WHEN getvariable('window_unit') IS DISTINCT FROM 'rounds' THEN getvariable('window_size') END
),
replay_window AS (
    SELECT
        coalesce(getvariable('absolute_reward'), avg(mean_reward))::DOUBLE AS window_reward,
        count(*) AS window_groups
    FROM earlier
)
SELECT
    sample_id,
    mean_reward::DOUBLE AS mean_reward,
    window_reward,
    coalesce(window_reward - mean_reward, 0.0)::DOUBLE AS difficulty,
    window_groups
FROM groups CROSS JOIN replay_window
WHERE round_index = getvariable('round_index')
ORDER BY group_index;
