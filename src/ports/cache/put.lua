-- Keeps an entry if its tags still have the values of the stamp. KEYS: the entry, then its tags.
-- ARGV: the stamp, the body, its freshness and its whole life in ms.
local stamp = {}
for i = 2, #KEYS do
  stamp[#stamp + 1] = redis.call('GET', KEYS[i]) or ''
end
if table.concat(stamp, ',') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local fresh = string.format('%.0f', now + tonumber(ARGV[3]))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 's', ARGV[1], 'b', ARGV[2], 'f', fresh)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
-- A tag outlives its entries; if it does not, they are loaded once more.
for i = 2, #KEYS do
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1
