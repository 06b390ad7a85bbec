//! Copies that all nodes share.

use ::redis::{Script, pipe};

use super::{Answer, Boards, BoardsAway, Change, Query, Ranked, Row, Stamp, View, Written};
use crate::redis::{Away, Redis};

/// Rows in one command: it must end well within the timeout, and others wait meanwhile.
const BATCH: usize = 500;
/// Places that Lua's numbers hold; no board has more members.
const MOST: u64 = 1 << 32;
/// How long a half-made copy is kept, in seconds.
const HALF_MADE: i64 = 600;
/// How long a copy that nobody writes any more is kept, in seconds.
const KEPT: i64 = 86_400;

/// Of two tokens in decimal digits, whether the first is the greater: they may be past what Lua's numbers
/// hold.
const GREATER: &str = "
local function greater(a, b) return #a > #b or (#a == #b and a > b) end";
/// KEYS: the board, who is where, the stamp. ARGV: the token; the turn; about and how many there are then (empty: more
/// follows); how long it is kept; for each row the member and what it is ordered by before that, or nothing.
const WRITE: &str = "
local token = redis.call('HGET', KEYS[3], 'token')
if token ~= ARGV[1] then
  if token and greater(token, ARGV[1]) then return 2 end
  return 1
end
if greater(redis.call('HGET', KEYS[3], 'turn') or '0', ARGV[2]) then return 3 end
redis.call('HSET', KEYS[3], 'turn', ARGV[2])
for i = 6, #ARGV, 2 do
  local member, place = ARGV[i], ARGV[i + 1]
  local old = redis.call('HGET', KEYS[2], member)
  if old ~= place then
    if old then redis.call('ZREM', KEYS[1], old .. member) end
    if place ~= '' then
      redis.call('ZADD', KEYS[1], 0, place .. member)
      redis.call('HSET', KEYS[2], member, place)
    elseif old then
      redis.call('HDEL', KEYS[2], member)
    end
  end
end
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
if ARGV[4] == '' then return 0 end
local rows = tonumber(ARGV[4])
if redis.call('ZCARD', KEYS[1]) ~= rows or redis.call('HLEN', KEYS[2]) ~= rows then
  redis.call('HDEL', KEYS[3], 'total')
  return 1
end
redis.call('HSET', KEYS[3], 'about', ARGV[3], 'total', ARGV[4])
return 0";
/// KEYS: the new pair, the old pair, the stamp. ARGV: the token, the turn, about, how many, how long it is kept. A server
/// that was flushed or restarted while the new pair was written has a part of it only: then the old one
/// stays.
const SWAP: &str = "
local token = redis.call('HGET', KEYS[5], 'token')
if token and greater(token, ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 2
end
if token == ARGV[1] and greater(redis.call('HGET', KEYS[5], 'turn') or '0', ARGV[2]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 3
end
local rows = tonumber(ARGV[4])
if redis.call('ZCARD', KEYS[1]) ~= rows or redis.call('HLEN', KEYS[2]) ~= rows then return 1 end
if rows == 0 then
  redis.call('DEL', KEYS[3], KEYS[4])
else
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('RENAME', KEYS[2], KEYS[4])
end
redis.call('HSET', KEYS[5], 'token', ARGV[1], 'turn', ARGV[2], 'about', ARGV[3], 'total', ARGV[4])
for i = 3, 5 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
return 0";
/// KEYS: the board, who is where, the stamp. ARGV: what is asked. Answers how many there are, what the writer says
/// (nothing, if the copy is not whole), places from 0, and the rows.
const VIEW: &str = "
local total, about = redis.call('ZCARD', KEYS[1]), ''
if redis.call('HGET', KEYS[3], 'total') == string.format('%.0f', total)
    and redis.call('HLEN', KEYS[2]) == total then
  about = redis.call('HGET', KEYS[3], 'about') or ''
end
local places, rows = {}, {}
local function slice(from, to)
  rows = redis.call('ZRANGE', KEYS[1], from, to)
  for i = 1, #rows do places[i] = from + i - 1 end
end
local function find(member)
  local place = redis.call('HGET', KEYS[2], member)
  if not place then return false end
  return redis.call('ZRANK', KEYS[1], place .. member), place .. member
end
if ARGV[1] == 'range' then
  slice(tonumber(ARGV[2]), tonumber(ARGV[3]))
elseif ARGV[1] == 'around' then
  local at = find(ARGV[2])
  if at then slice(math.max(at - tonumber(ARGV[3]), 0), at + tonumber(ARGV[3])) end
else
  for i = 2, #ARGV do
    local at, row = find(ARGV[i])
    if at then
      places[#places + 1] = at
      rows[#rows + 1] = row
    end
  end
end
return { total, about, places, rows }";

/// Boards in Redis: `<prefix>:b:<board>`, a sorted set; `<prefix>:m:<board>`, a hash from member to the
/// first half of its key; `<prefix>:w:<board>`, who wrote them. They go a day after their last writer.
pub struct RedisBoards {
    redis: Redis,
    write: Script,
    swap: Script,
    view: Script,
}

impl From<Away> for BoardsAway {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}

fn written(code: u8) -> Written {
    match code {
        0 => Written::Done,
        2 => Written::Fenced,
        3 => Written::Late,
        _ => Written::Lost,
    }
}

impl RedisBoards {
    /// Boards in that Redis.
    pub fn new(redis: Redis) -> Self {
        let fenced = |body: &str| Script::new(&format!("{GREATER}{body}"));
        Self { redis, write: fenced(WRITE), swap: fenced(SWAP), view: Script::new(VIEW) }
    }

    fn keys(&self, board: &str) -> [String; 3] {
        ["b", "m", "w"].map(|sort| self.redis.key(sort, board))
    }

    async fn fill(&self, sorted: &str, of: &str, rows: &[Row]) -> Result<(), BoardsAway> {
        for rows in rows.chunks(BATCH) {
            let mut zadd = ::redis::cmd("ZADD");
            let mut hset = ::redis::cmd("HSET");
            zadd.arg(sorted);
            hset.arg(of);
            for row in rows {
                let key = row.key();
                zadd.arg(0).arg(&key[..]);
                hset.arg(&row.member.as_bytes()[..]).arg(&key[..16]);
            }
            let mut pipe = pipe();
            pipe.add_command(zadd).ignore().add_command(hset).ignore();
            pipe.cmd("EXPIRE").arg(sorted).arg(HALF_MADE).ignore();
            pipe.cmd("EXPIRE").arg(of).arg(HALF_MADE).ignore();
            let pipe = &pipe;
            let fill = |mut conn| async move { pipe.query_async::<()>(&mut conn).await };
            self.redis.run("boards.fill", fill).await?;
        }
        Ok(())
    }
}

impl Boards for RedisBoards {
    fn write<'a>(&'a self, board: &'a str, stamp: &'a Stamp, changes: &'a [Change]) -> Answer<'a, Written> {
        Box::pin(async move {
            let keys = self.keys(board);
            let parts = changes.len().div_ceil(BATCH).max(1);
            for n in 0..parts {
                let part = &changes[n * BATCH..changes.len().min((n + 1) * BATCH)];
                let mut call = self.write.prepare_invoke();
                for key in &keys {
                    call.key(key);
                }
                call.arg(stamp.token.to_string()).arg(stamp.turn.to_string());
                if n + 1 == parts {
                    call.arg(&stamp.about).arg(stamp.total.to_string());
                } else {
                    call.arg("").arg("");
                }
                call.arg(KEPT);
                for change in part {
                    match change {
                        Change::Put(row) => {
                            call.arg(&row.member.as_bytes()[..]).arg(&row.key()[..16]);
                        }
                        Change::Gone(member) => {
                            call.arg(&member.as_bytes()[..]).arg("");
                        }
                    }
                }
                let call = &call;
                let write = |mut conn| async move { call.invoke_async::<u8>(&mut conn).await };
                match written(self.redis.run("boards.write", write).await?) {
                    Written::Done => {}
                    other => return Ok(other),
                }
            }
            Ok(Written::Done)
        })
    }

    fn replace<'a>(&'a self, board: &'a str, stamp: &'a Stamp, rows: &'a [Row]) -> Answer<'a, Written> {
        Box::pin(async move {
            let [sorted, of, stamped] = &self.keys(board);
            let half_made = uuid::Uuid::new_v4().simple().to_string();
            let (new_sorted, new_of) = (format!("{sorted}:{half_made}"), format!("{of}:{half_made}"));
            self.fill(&new_sorted, &new_of, rows).await?;
            let mut call = self.swap.key(new_sorted);
            call.key(new_of).key(sorted).key(of).key(stamped);
            call.arg(stamp.token.to_string())
                .arg(stamp.turn.to_string())
                .arg(&stamp.about)
                .arg(stamp.total.to_string())
                .arg(KEPT);
            let call = &call;
            let swap = |mut conn| async move { call.invoke_async::<u8>(&mut conn).await };
            Ok(written(self.redis.run("boards.swap", swap).await?))
        })
    }

    fn view<'a>(&'a self, board: &'a str, query: &'a Query) -> Answer<'a, View> {
        Box::pin(async move {
            let mut call = self.view.prepare_invoke();
            for key in self.keys(board) {
                call.key(key);
            }
            match query {
                // No range of Redis is empty.
                Query::Range { limit: 0, .. } => {
                    call.arg("among");
                }
                Query::Range { from, limit } => {
                    let from = (*from).clamp(1, MOST) - 1;
                    call.arg("range").arg(from).arg(from + (*limit).min(MOST) - 1);
                }
                Query::Around { member, span } => {
                    call.arg("around").arg(&member.as_bytes()[..]).arg((*span).min(MOST));
                }
                Query::Among(members) => {
                    call.arg("among");
                    for member in members {
                        call.arg(&member.as_bytes()[..]);
                    }
                }
            }
            let call = &call;
            let view = |mut conn| async move { call.invoke_async(&mut conn).await };
            let (total, about, places, keys): (u64, String, Vec<u64>, Vec<Vec<u8>>) =
                self.redis.run("boards.view", view).await?;
            let row = |(place, key): (&u64, &Vec<u8>)| Some(Ranked { rank: place + 1, row: Row::of(key)? });
            let mut rows: Vec<Ranked> = places.iter().zip(&keys).filter_map(row).collect();
            rows.sort_by_key(|ranked| ranked.rank);
            rows.dedup();
            Ok(View { rows, total, about: Some(about).filter(|about| !about.is_empty()) })
        })
    }

    fn spoil<'a>(&'a self, board: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let [_, _, stamped] = &self.keys(board);
            let spoil = |mut conn| async move {
                ::redis::cmd("HDEL")
                    .arg(stamped)
                    .arg(&["total", "token", "turn"])
                    .query_async::<()>(&mut conn)
                    .await
            };
            Ok(self.redis.run("boards.spoil", spoil).await?)
        })
    }
}
