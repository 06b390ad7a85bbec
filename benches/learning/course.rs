//! The server under test with an instructor's course, its learners and a live quiz.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::kit::line::Line;
use super::kit::process::Process;
use super::kit::{Outcome, fail, http};

const SETTINGS: &[(&str, &str)] = &[
    ("GIGSY_LIMIT_SIGN_IN", "1000000"),
    ("GIGSY_LIMIT_CALLS", "10000000"),
    ("GIGSY_LOG", "warning"),
    ("GIGSY_LOG_FORMAT", "json"),
];

/// A learner who is in the course.
pub struct Learner {
    /// The session's token.
    pub session: String,
}

impl Learner {
    /// A connection for answers.
    pub fn line(&self, addr: SocketAddr) -> Outcome<Line> {
        Line::open(addr, &self.session)
    }
}

/// A running server, a published course and who is in it.
pub struct School {
    data: TempDir,
    server: Option<(Process, SocketAddr)>,
    teacher: String,
    questions: usize,
    /// The course's id.
    pub course: String,
    /// Who is in it.
    pub learners: Vec<Learner>,
}

impl School {
    /// Starts the server with an empty directory and puts everybody into a course.
    pub fn open(learners: usize, questions: usize) -> Outcome<Self> {
        let data = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
        let server = Some(start(data.path())?);
        let mut school = Self {
            data,
            server,
            teacher: String::new(),
            questions,
            course: String::new(),
            learners: Vec::new(),
        };
        school.teacher = sign_in(school.addr(), "instructor@demo.gigsy.test", "gigsy-demo-1")?;
        let course = school.ask(
            "POST",
            "/api/v1/courses",
            &json!({"title": "All at once", "summary": "A live quiz."}),
        )?;
        school.course = text(&course, "id")?;
        let content = json!({"modules": [{"title": "One", "items": [
            {"title": "Welcome", "body": {"type": "text", "markdown": "Hello."}}]}]});
        let draft = format!("/api/v1/courses/{}/draft", school.course);
        match http::call_any_version(school.addr(), "PUT", &draft, &school.teacher, &content)? {
            (200..300, _) => {}
            (status, answer) => return fail(format!("the draft: {status} {answer}")),
        }
        school.ask("POST", &format!("/api/v1/courses/{}/publish", school.course), &json!({}))?;
        school.learners = school.enrol(learners)?;
        Ok(school)
    }

    /// Where the server listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.as_ref().map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)), |(_, addr)| *addr)
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().map_or(0, |(process, _)| process.id())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        http::call_ok(self.addr(), method, path, Some(&self.teacher), Some(body))
    }

    /// Registration and sign-in hash passwords: done once and not measured.
    fn enrol(&self, count: usize) -> Outcome<Vec<Learner>> {
        let (next, done) = (Mutex::new(0..count), Mutex::new(Vec::with_capacity(count)));
        let addr = self.addr();
        let enrolments = format!("/api/v1/courses/{}/enrolments", self.course);
        let work = || -> Outcome<()> {
            loop {
                let Some(n) = next.lock().ok().and_then(|mut numbers| numbers.next()) else { return Ok(()) };
                let email = format!("learner-{n}@bench.gigsy.test");
                let person = json!({"email": email, "password": "bench-password-1", "display_name": "Bench"});
                http::call_ok(addr, "POST", "/api/v1/auth/register", None, Some(&person))?;
                let session = sign_in(addr, &email, "bench-password-1")?;
                http::call_ok(addr, "POST", &enrolments, Some(&session), Some(&json!({})))?;
                if let Ok(mut done) = done.lock() {
                    done.push(Learner { session });
                    if done.len().is_multiple_of(100) {
                        println!("{} of {count} learners are there", done.len());
                    }
                }
            }
        };
        std::thread::scope(|scope| -> Outcome<()> {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                worker.join().map_err(|_| "a registering thread panicked")??;
            }
            Ok(())
        })?;
        Ok(done.into_inner().map_err(|_| "a registering thread panicked")?)
    }

    /// A live quiz that waits for its first question.
    pub fn quiz(&self) -> Outcome<String> {
        let bank = text(&self.ask("POST", "/api/v1/banks", &json!({"title": "Live"}))?, "id")?;
        for n in 0..self.questions {
            let question = json!({"title": format!("Question {n}"), "prompt": format!("What is {n} + 1?"), "points": 1,
                "kind": {"type": "single", "choices": [(n + 1).to_string(), n.to_string(), "neither"], "correct": 0}});
            self.ask("POST", &format!("/api/v1/banks/{bank}/questions"), &question)?;
        }
        let form = json!({"title": "Now", "bank_id": bank, "seconds": 60});
        text(&self.ask("POST", &format!("/api/v1/courses/{}/live", self.course), &form)?, "id")
    }

    /// The host takes a step.
    pub fn step(&self, quiz: &str, step: &str) -> Outcome<()> {
        self.ask("POST", &format!("/api/v1/live/{quiz}/{step}"), &json!({})).map(|_| ())
    }

    /// Kills the server without a word (PostgreSQL notices and ends), and starts it on the same data.
    pub fn kill_and_start(&mut self) -> Outcome<()> {
        if let Some((process, _)) = self.server.take()
            && let Some(pid) = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        }
        self.server = Some(start(self.data.path())?);
        Ok(())
    }

    /// Of the learners' answers, how many the server does not have: one for each question they all gave.
    pub fn lost(&self, quiz: &str, rounds: usize) -> Outcome<usize> {
        let view = self.ask("GET", &format!("/api/v1/live/{quiz}"), &Value::Null)?;
        let figure =
            |name: &str| view[name].as_u64().and_then(|figure| usize::try_from(figure).ok()).unwrap_or(0);
        if figure("number") != rounds {
            return fail("the quiz is not where it was");
        }
        let mut lost = self.learners.len() - figure("answered").min(self.learners.len());
        // Points are what answers were worth: whoever was right in every question has at least half of each.
        for (n, learner) in self.learners.iter().enumerate() {
            let mut line = learner.line(self.addr())?;
            let own = line.call("GET", &format!("/api/v1/live/{quiz}"), "looking-looking", None)?;
            let points = own["own"]["points"].as_u64().unwrap_or(0);
            let least = if n.is_multiple_of(3) { 0 } else { 500 * rounds as u64 };
            lost += usize::from(points < least);
        }
        Ok(lost)
    }
}

fn start(data: &Path) -> Outcome<(Process, SocketAddr)> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut process =
        Process::program(Path::new(env!("CARGO_BIN_EXE_gigsy")), &["serve", "--demo"], |command| {
            // Nothing of the caller's own set-up reaches the server under test.
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if text.ends_with("_URL") || (text.starts_with("GIGSY_") && text != "GIGSY_POSTGRES_BIN") {
                    command.env_remove(&name);
                }
            }
            command.env("GIGSY_LISTEN", addr.to_string()).env("GIGSY_DATA_DIR", data);
            command.envs(SETTINGS.iter().copied());
        })?;
    let until = Instant::now() + Duration::from_secs(60);
    while !matches!(http::call(addr, "GET", "/readyz", None, None), Ok((200, _))) {
        if !process.is_running() || Instant::now() > until {
            return fail("gigsy did not start; its message stands above");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((process, addr))
}

fn sign_in(addr: SocketAddr, email: &str, password: &str) -> Outcome<String> {
    let form = json!({"email": email, "password": password, "device": "bench"});
    text(&http::call_ok(addr, "POST", "/api/v1/auth/sessions", None, Some(&form))?, "token")
}

fn text(answer: &Value, name: &str) -> Outcome<String> {
    match answer[name].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => fail(format!("no {name} in {answer}")),
    }
}
