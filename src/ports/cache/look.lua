-- Looks for an entry. KEYS: the entry, then its tags. ARGV: a value nothing had before (for tags without
-- one), how long a tag lives and how long a lease to load anew lasts, in ms.
-- Answers the stamp and, if the entry counts, its body and age (0 fresh, 1 stale, 2 due).
local stamp = {}
for i = 2, #KEYS do
  local value = redis.call('GET', KEYS[i])
  if not value then
    value = ARGV[1]
    redis.call('SET', KEYS[i], value, 'PX', ARGV[2])
  end
  stamp[#stamp + 1] = value
end
stamp = table.concat(stamp, ',')
local entry = redis.call('HMGET', KEYS[1], 's', 'b', 'f', 'r')
if not entry[1] or entry[1] ~= stamp then return { stamp } end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if now < tonumber(entry[3]) then return { stamp, entry[2], 0 } end
if entry[4] and now < tonumber(entry[4]) then return { stamp, entry[2], 1 } end
redis.call('HSET', KEYS[1], 'r', string.format('%.0f', now + tonumber(ARGV[3])))
return { stamp, entry[2], 2 }
