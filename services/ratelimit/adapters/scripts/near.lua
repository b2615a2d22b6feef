-- Remembers the sketch of a query and says how many of the last ones were nearly the same; enough of them in the window
-- are one report of abuse. No text is kept, and the state is of fixed size.
-- KEYS: the subject.
-- ARGV: sketch (bytes), window ms, queries remembered, bytes that must agree, near queries that are a burst,
--       kind, weight (millionths), rules of penalties as MessagePack.
-- Reply: now ms, near queries, reported (0|1).
--
-- Field `near` of the subject: MessagePack of s (sketches) and t (when, ms), the oldest first.

local sketch, window, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local agree, burst, kind = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local kept = redis.call('HMGET', KEYS[1], 'near', 'pen', 'why')
local was = kept[1] and cmsgpack.unpack(kept[1]) or {s = {}, t = {}}
local s, t, near = {}, {}, 0
local byte = string.byte

for i, other in ipairs(was.s) do
  -- The very same text again is a retry, not another question.
  if now_ms - was.t[i] < window and other ~= sketch and #other == #sketch then
    local same = 0
    for b = 1, #sketch do
      if byte(other, b) == byte(sketch, b) then
        same = same + 1
      end
    end
    if same >= agree then
      near = near + 1
    end
    s[#s + 1], t[#t + 1] = other, was.t[i]
  end
end
local reported = 0
if near + 1 >= burst then
  local rules = cmsgpack.unpack(ARGV[8])
  local why = kept[3] and cmsgpack.unpack(kept[3]) or {n = {}, e = {}}
  local score, strikes, level, till = penalty(kept[2], rules)
  if score == 0 and strikes == 0 and level == 0 then
    why.n = {}
  end
  score, strikes, level, till = penalise(rules, tonumber(ARGV[7]), score, strikes, level, till)
  why.n[kind] = (why.n[kind] or 0) + 1
  redis.call('HSET', KEYS[1], 'why', cmsgpack.pack(why))
  write_penalty(KEYS[1], rules, score, strikes, level, till)
  reported, s, t = 1, {}, {} -- the next report needs another burst
end
s[#s + 1], t[#t + 1] = sketch, now_ms
while #s > size do
  table.remove(s, 1)
  table.remove(t, 1)
end
redis.call('HSET', KEYS[1], 'near', cmsgpack.pack({s = s, t = t}))
if redis.call('PTTL', KEYS[1]) < window then
  redis.call('PEXPIRE', KEYS[1], window)
end
return {now_ms, near, reported}
