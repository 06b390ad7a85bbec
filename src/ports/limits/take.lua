-- Takes from allowances in order, up to the first that refuses. KEYS: one an ask. ARGV: interval, burst
-- and cost of each. Answers allowed, remaining, retry after and reset after (µs) of each, then the time.
-- Numbers stay below 2^53: microseconds since 1970 are about 2^51.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local answer = {}
for i = 1, #KEYS do
  local interval = tonumber(ARGV[3 * i - 2])
  local window = interval * tonumber(ARGV[3 * i - 1])
  local tat = tonumber(redis.call('GET', KEYS[i]) or now)
  if tat < now then tat = now end
  local next = tat + interval * tonumber(ARGV[3 * i])
  local early = next - window - now
  local allowed = early <= 0
  if allowed then
    tat = next
    redis.call('SET', KEYS[i], string.format('%.0f', tat), 'PX', string.format('%.0f', math.ceil((tat - now) / 1000)))
  end
  answer[#answer + 1] = allowed and 1 or 0
  answer[#answer + 1] = math.floor((window - (tat - now)) / interval)
  answer[#answer + 1] = allowed and 0 or early
  answer[#answer + 1] = tat - now
  if not allowed then break end
end
answer[#answer + 1] = now
return answer
