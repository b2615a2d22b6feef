-- The state of a windowed limit as it is kept: window, current, previous, as doubles, which hold integers to 2^53. Reading
-- and writing them as text would take longer than everything else that is done with them.

local from_bytes, to_bytes = struct.unpack, struct.pack

-- Nothing when there is no state. Text, `window:current:previous`, is what was written before: of its
-- characters, all of them digits and colons, eight are never a double that is an integer.
local function read_state(value)
  if not value then
    return nil
  end
  if #value == 24 then
    local w, cur, prev = from_bytes('<ddd', value)
    if w >= 1 or w == 0 then
      return w, cur, prev
    end
  end
  local w, cur, prev = string.match(value, '^(%d+):(%d+):(%d+)$')
  return tonumber(w), tonumber(cur), tonumber(prev)
end

local function state(w, cur, prev)
  return to_bytes('<ddd', w, cur, prev)
end
