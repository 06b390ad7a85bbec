//! Copies that all nodes share.

use ::redis::{Script, pipe};
use uuid::Uuid;

use super::{Answer, Boards, BoardsAway, Ranked, Row};
use crate::redis::{Away, Redis};

/// Rows in one command: it must end well within the timeout, and others wait meanwhile.
const BATCH: usize = 500;
/// How long a half-made rebuild is kept, in seconds.
const HALF_MADE: i64 = 600;

/// KEYS: the board, who is where. ARGV: for each row the member and what it is ordered by before that.
const UPSERT: &str = "
for i = 1, #ARGV, 2 do
  local member, place = ARGV[i], ARGV[i + 1]
  local old = redis.call('HGET', KEYS[2], member)
  if old ~= place then
    if old then redis.call('ZREM', KEYS[1], old .. member) end
    redis.call('ZADD', KEYS[1], 0, place .. member)
    redis.call('HSET', KEYS[2], member, place)
  end
end
return #ARGV / 2";
const REMOVE: &str = "
local old = redis.call('HGET', KEYS[2], ARGV[1])
if not old then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], old .. ARGV[1])";
/// KEYS: the new pair, the old pair. ARGV: how many rows. A server that was flushed or restarted while the
/// new pair was written has a part of it only: then the old one stays. The expiry of the half-made goes.
const SWAP: &str = "
local rows = tonumber(ARGV[1])
if redis.call('ZCARD', KEYS[1]) ~= rows or redis.call('HLEN', KEYS[2]) ~= rows then return 0 end
if rows == 0 then
  redis.call('DEL', KEYS[3], KEYS[4])
  return 1
end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('RENAME', KEYS[2], KEYS[4])
redis.call('PERSIST', KEYS[3])
redis.call('PERSIST', KEYS[4])
return 1";
/// Answers the place of the first row (from 0), then the rows.
const AROUND: &str = "
local place = redis.call('HGET', KEYS[2], ARGV[1])
if not place then return { '0', {} } end
local at = redis.call('ZRANK', KEYS[1], place .. ARGV[1])
if not at then return { '0', {} } end
local span = tonumber(ARGV[2])
local from = math.max(at - span, 0)
return { tostring(from), redis.call('ZRANGE', KEYS[1], from, at + span) }";

/// Boards in Redis: `<prefix>:b:<board>`, a sorted set, and `<prefix>:m:<board>`, a hash from member to
/// the first half of its key. Neither has an expiry.
pub struct RedisBoards {
    redis: Redis,
    upsert: Script,
    remove: Script,
    around: Script,
    swap: Script,
}

impl From<Away> for BoardsAway {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}

impl RedisBoards {
    /// Boards in that Redis.
    pub fn new(redis: Redis) -> Self {
        let (upsert, remove, around) = (Script::new(UPSERT), Script::new(REMOVE), Script::new(AROUND));
        Self { redis, upsert, remove, around, swap: Script::new(SWAP) }
    }

    fn keys(&self, board: &str) -> [String; 2] {
        [self.redis.key("b", board), self.redis.key("m", board)]
    }

    async fn slice(&self, board: &str, member: Uuid, span: u64) -> Result<Vec<Ranked>, BoardsAway> {
        let [sorted, of] = self.keys(board);
        let mut call = self.around.key(sorted);
        // A span that Lua's numbers hold; no board has more members.
        call.key(of).arg(&member.as_bytes()[..]).arg(span.min(1 << 32));
        let call = &call;
        let (from, keys): (u64, Vec<Vec<u8>>) = self
            .redis
            .run("boards.around", |mut conn| async move { call.invoke_async(&mut conn).await })
            .await?;
        Ok(ranked(from, &keys))
    }

    async fn fill(&self, keys: &[String; 2], rows: &[Row]) -> Result<(), BoardsAway> {
        let [sorted, of] = keys;
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

fn ranked(from: u64, keys: &[Vec<u8>]) -> Vec<Ranked> {
    let rows = keys.iter().zip(from + 1..);
    rows.filter_map(|(key, rank)| Some(Ranked { rank, row: Row::of(key)? })).collect()
}

impl Boards for RedisBoards {
    fn upsert<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()> {
        Box::pin(async move {
            for rows in rows.chunks(BATCH) {
                let [sorted, of] = self.keys(board);
                let mut call = self.upsert.key(sorted);
                call.key(of);
                for row in rows {
                    call.arg(&row.member.as_bytes()[..]).arg(&row.key()[..16]);
                }
                let call = &call;
                let upsert = |mut conn| async move { call.invoke_async::<()>(&mut conn).await };
                self.redis.run("boards.upsert", upsert).await?;
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, bool> {
        Box::pin(async move {
            let [sorted, of] = self.keys(board);
            let mut call = self.remove.key(sorted);
            call.key(of).arg(&member.as_bytes()[..]);
            let call = &call;
            Ok(self
                .redis
                .run("boards.remove", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?)
        })
    }

    fn rank<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, Option<Ranked>> {
        Box::pin(async move { Ok(self.slice(board, member, 0).await?.pop()) })
    }

    fn range<'a>(&'a self, board: &'a str, from: u64, limit: u64) -> Answer<'a, Vec<Ranked>> {
        Box::pin(async move {
            let from = from.max(1) - 1;
            if limit == 0 {
                return Ok(Vec::new());
            }
            let [sorted, _] = &self.keys(board);
            let range = |mut conn| async move {
                let last = from.saturating_add(limit - 1).min(1 << 62);
                ::redis::cmd("ZRANGE")
                    .arg(sorted)
                    .arg(from)
                    .arg(last)
                    .query_async::<Vec<Vec<u8>>>(&mut conn)
                    .await
            };
            Ok(ranked(from, &self.redis.run("boards.range", range).await?))
        })
    }

    fn around<'a>(&'a self, board: &'a str, member: Uuid, span: u64) -> Answer<'a, Vec<Ranked>> {
        Box::pin(self.slice(board, member, span))
    }

    fn len<'a>(&'a self, board: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let [sorted, _] = &self.keys(board);
            let len =
                |mut conn| async move { ::redis::cmd("ZCARD").arg(sorted).query_async(&mut conn).await };
            Ok(self.redis.run("boards.len", len).await?)
        })
    }

    fn rebuild<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()> {
        Box::pin(async move {
            let [sorted, of] = &self.keys(board);
            let half_made = Uuid::new_v4().simple().to_string();
            let made = [format!("{sorted}:{half_made}"), format!("{of}:{half_made}")];
            self.fill(&made, rows).await?;
            let [new_sorted, new_of] = &made;
            let mut call = self.swap.key(new_sorted);
            call.key(new_of).key(sorted).key(of).arg(rows.len());
            let call = &call;
            let swap = |mut conn| async move { call.invoke_async::<bool>(&mut conn).await };
            match self.redis.run("boards.swap", swap).await? {
                true => Ok(()),
                false => Err(BoardsAway("what was written for it is gone".into())),
            }
        })
    }
}
