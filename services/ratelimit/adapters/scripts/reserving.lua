-- Writes a new hold: itself, its place in the index, and where what is in flight is limited.

local function reserve(index, name, hold, life, record)
  local packed = cmsgpack.pack(hold)
  call('SET', name, packed, 'PX', life)
  if record then
    record(index, 'open', name, hold, packed)
  end
  local expires = int(hold.x)
  call('ZADD', index, expires, name)
  call('PEXPIRE', index, life)
  for _, live in ipairs(hold.v) do
    call('ZREMRANGEBYSCORE', live, '-inf', int(now))
    call('ZADD', live, expires, name)
    call('PEXPIRE', live, life)
  end
end
