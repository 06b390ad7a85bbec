//! A Redis server of its own, and the same work by its sorted sets: `ZADD`, `ZREVRANK`, `ZREVRANGE`.
//!
//! Spoken to by hand over plain sockets, so that a turn costs this process little; what is counted is the
//! server's CPU alone. Scores are doubles and ties go by the member's name: it is asked for less than a board
//! gives.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use gigsy::contexts::gamification::ranking::Standing;

use super::{
    Random, System, Work,
    kit::{Outcome, fail, process::Process, usage::CpuReading},
};

/// Connections that each have one command on its way, as so many callers do.
const CALLERS: usize = 50;

/// A server that ends with the run.
pub struct Server {
    process: Process,
    address: String,
    pub version: String,
}

impl Server {
    /// `GIGSY_TEST_REDIS_BIN`, or the machine's own.
    pub fn start() -> Outcome<Self> {
        let bin = std::env::var_os("GIGSY_TEST_REDIS_BIN")
            .map_or_else(|| PathBuf::from("/usr/bin/redis-server"), PathBuf::from);
        let said = Command::new(&bin).arg("--version").output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version =
            said.split("v=").nth(1).and_then(|v| v.split(' ').next()).unwrap_or("unknown").to_owned();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let args = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
        let process = Process::program(Path::new(&bin), &args, |command| {
            command.current_dir(std::env::temp_dir());
        })?;
        let address = format!("127.0.0.1:{port}");
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&address).is_err() {
            if Instant::now() > until {
                return fail("Redis does not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, address, version })
    }

    fn cpu(&self) -> CpuReading {
        CpuReading::of(&[self.process.id()])
    }
}

struct Line {
    out: TcpStream,
    back: BufReader<TcpStream>,
}

impl Line {
    fn open(address: &str) -> Outcome<Self> {
        let out = TcpStream::connect(address)?;
        out.set_nodelay(true)?;
        let back = BufReader::with_capacity(1 << 16, out.try_clone()?);
        Ok(Self { out, back })
    }

    /// Reads one answer; the number, if it is one.
    fn answer(&mut self) -> Outcome<Option<i64>> {
        let mut head = String::new();
        self.back.read_line(&mut head)?;
        let number = || head[1..].trim().parse::<i64>().ok();
        match head.as_bytes().first() {
            Some(b':') => Ok(number()),
            Some(b'$') => {
                let length = number().unwrap_or(-1);
                let mut body = vec![0; usize::try_from(length + 2).unwrap_or(0)];
                if length >= 0 {
                    self.back.read_exact(&mut body)?;
                }
                Ok(None)
            }
            Some(b'*') => {
                for _ in 0..number().unwrap_or(0) {
                    self.answer()?;
                }
                Ok(None)
            }
            Some(b'+') => Ok(None),
            _ => fail(format!("Redis said {head:?}")),
        }
    }
}

fn command(into: &mut Vec<u8>, words: &[&[u8]]) {
    let _ = write!(into, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(into, "${}\r\n", word.len());
        into.extend_from_slice(word);
        into.extend_from_slice(b"\r\n");
    }
}

/// A board in that server: of so many commands at once on each connection.
pub struct Redis<'a> {
    server: &'a Server,
    lines: Vec<Line>,
    key: String,
    people: Vec<Standing>,
    /// Commands that share a write, and so a read of the server's.
    together: usize,
    name: &'static str,
}

impl<'a> Redis<'a> {
    /// Writes everybody. Members are the sixteen bytes of their ids.
    pub fn load(server: &'a Server, all: &[Standing]) -> Outcome<Self> {
        let key = format!("board-{}", all.len());
        let mut line = Line::open(&server.address)?;
        for part in all.chunks(1_000) {
            let mut out = Vec::new();
            for standing in part {
                let score = standing.score.to_string();
                command(&mut out, &[b"ZADD", key.as_bytes(), score.as_bytes(), standing.user.0.as_bytes()]);
            }
            line.out.write_all(&out)?;
            for _ in part {
                line.answer()?;
            }
        }
        let lines = (0..CALLERS).map(|_| Line::open(&server.address)).collect::<Outcome<Vec<Line>>>()?;
        Ok(Self { server, lines, key, people: all.to_vec(), together: 1, name: "redis" })
    }

    /// The same board over one connection that carries 64 commands in each write: the least that a server can
    /// be made to cost.
    pub fn pipelined(&self) -> Outcome<Self> {
        let lines = vec![Line::open(&self.server.address)?];
        let (key, people) = (self.key.clone(), self.people.clone());
        Ok(Self { server: self.server, lines, key, people, together: 64, name: "redis-pipelined" })
    }

    /// Sends what `write` makes, on every connection, and hands on the answers.
    fn round(
        &mut self,
        mut write: impl FnMut(&mut Vec<u8>, &str, &mut Vec<Standing>),
        mut each: impl FnMut(Option<i64>),
    ) -> Outcome<()> {
        let mut out = Vec::new();
        for line in &mut self.lines {
            out.clear();
            for _ in 0..self.together {
                write(&mut out, &self.key, &mut self.people);
            }
            line.out.write_all(&out)?;
        }
        for line in &mut self.lines {
            for _ in 0..self.together {
                each(line.answer()?);
            }
        }
        Ok(())
    }

    fn some(&mut self, work: Work, random: &mut Random) -> Outcome<()> {
        match work {
            Work::Update => self.round(
                |out, key, people| {
                    let at = random.below(people.len());
                    let standing = &mut people[at];
                    standing.score += (random.next() % 100) as i64;
                    let score = standing.score.to_string();
                    command(out, &[b"ZADD", key.as_bytes(), score.as_bytes(), standing.user.0.as_bytes()]);
                },
                |_| {},
            ),
            Work::Top100 => self.round(
                |out, key, _| command(out, &[b"ZREVRANGE", key.as_bytes(), b"0", b"99", b"WITHSCORES"]),
                |_| {},
            ),
            Work::Rank | Work::Around11 => {
                let mut ranks = Vec::new();
                self.round(
                    |out, key, people| {
                        let who = people[random.below(people.len())].user.0;
                        command(out, &[b"ZREVRANK", key.as_bytes(), who.as_bytes()]);
                    },
                    |rank| ranks.push(rank.unwrap_or(0)),
                )?;
                if work == Work::Rank {
                    return Ok(());
                }
                // Around somebody takes two: where they are, then who is there.
                let mut ranks = ranks.into_iter();
                self.round(
                    |out, key, _| {
                        let rank = ranks.next().unwrap_or(0);
                        let (from, to) = ((rank - 5).max(0).to_string(), (rank + 5).to_string());
                        let words: [&[u8]; 5] =
                            [b"ZREVRANGE", key.as_bytes(), from.as_bytes(), to.as_bytes(), b"WITHSCORES"];
                        command(out, &words);
                    },
                    |_| {},
                )
            }
        }
    }
}

impl System for Redis<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> &str {
        &self.server.version
    }

    fn cpu(&self) -> CpuReading {
        self.server.cpu()
    }

    fn run(&mut self, work: Work, operations: usize, random: &mut Random) -> bool {
        let each = self.lines.len() * self.together;
        for _ in 0..operations.div_ceil(each) {
            if let Err(error) = self.some(work, random) {
                eprintln!("leaderboard: {error}");
                return false;
            }
        }
        true
    }

    fn counted(&self, operations: usize) -> usize {
        let each = self.lines.len() * self.together;
        operations.div_ceil(each) * each
    }
}
