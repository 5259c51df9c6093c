/*
Difficulty of one round's groups (arXiv:2506.07464, Eq. 9): the mean reward of the replay window minus the group's own
mean reward. Positive is hard, negative is easy.

The window is the last `window_size` groups, in order of `group_index`, among those with a smaller `round_index`; the
round's own groups are never in it. While it is empty, window_reward is NULL and difficulty is 0.0.

storage/difficulty.py runs this file as it is. By hand, in any DuckDB shell: paste the setup, then the query below.

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
*/
WITH earlier AS (
    SELECT mean_reward
    FROM groups
    WHERE round_index < getvariable('round_index')
    ORDER BY group_index DESC
    LIMIT getvariable('window_size')
),
replay_window AS (
    SELECT avg(mean_reward) AS window_reward, count(*) AS window_groups
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
