-- Penalties. `rules` come from the policy: half-life ms, weight of one refusal (millionths), enforced (0|1), longest
-- suspension ms, ms after which one suspension is forgotten, life of the state ms, weight of a request while slowed,
-- the same while limited, then for each of the levels 1 to 4 the score that it begins at and how long it stands (ms).
-- (Their places in the list: `common.lua`.)

-- What stands against a subject now: score, strikes, level, until (ms). The score halves with every half-life, evenly
-- in between, in integers.
local function penalty(value, rules)
  if not value then
    return 0, 0, 0, 0
  end
  local score, at, strikes, level, till = match(value, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
  score, strikes, level, till = tonumber(score), tonumber(strikes), tonumber(level), tonumber(till)
  local half, age = rules[HALF_LIFE], max(0, now_ms - at)
  local halves = floor(age / half)
  score = halves > 20 and 0 or floor(score / 2 ^ halves)
  score = floor(score * (2 * half - (age - halves * half)) / (2 * half))
  if now_ms >= till then
    level = 0
    local forgiven = min(strikes, floor((now_ms - till) / rules[FORGIVEN]))
    strikes, till = strikes - forgiven, till + forgiven * rules[FORGIVEN]
  end
  return score, strikes, level, till
end

-- The state after something of this weight (millionths) was held against the subject. A level stands for its time; it is
-- not renewed while it stands, only raised. Each suspension lasts twice as long as the one before.
local function penalise(rules, weight, score, strikes, level, till)
  score = min(1000000, score + weight)
  local reached = 0
  for step = 1, 4 do
    if score >= rules[LEVELS + 2 * step] then
      reached = step
    end
  end
  if reached > level then
    local long = rules[LEVELS + 2 * reached + 1]
    if reached == SUSPENDED then
      strikes = strikes + 1
      long = min(rules[LONGEST], long * 2 ^ min(strikes - 1, 30))
    end
    level, till = reached, max(now_ms + long, level > 0 and till or 0)
  end
  return score, strikes, level, till
end

local function write_penalty(key, rules, score, strikes, level, till)
  redis.call('HSET', key, 'pen', format('%.0f:%.0f:%.0f:%.0f:%.0f', score, now_ms, strikes, level, till))
  if redis.call('PTTL', key) < rules[PEN_LIFE] then
    redis.call('PEXPIRE', key, int(rules[PEN_LIFE]))
  end
end
