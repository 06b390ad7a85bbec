//! What `gigsy serve --demo` and its private PostgreSQL take together under load: a machine with 1 GB must
//! have room for nginx and itself besides.

use std::{
    cell::Cell,
    collections::HashMap,
    fs,
    rc::Rc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use crate::tests::{
    support::{
        server::{Person, Server, postmaster},
        socket::Socket,
    },
    system::talk::{message, token},
};

const SOCKETS: usize = 300;
const SENDERS: usize = 10;
const LOAD: Duration = Duration::from_secs(8);
/// Of 1 GB, what is left by nginx, Certbot, the kernel and a shell.
const MOST: u64 = 640 << 20;

/// The proportional set size of a process and all that come from it, in bytes: shared pages count once.
fn taken(roots: &[u32]) -> u64 {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name, which may hold anything: state, parent.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let (mut todo, mut seen, mut sum) = (roots.to_vec(), std::collections::HashSet::new(), 0);
    while let Some(pid) = todo.pop() {
        if !seen.insert(pid) {
            continue;
        }
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let pss = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
        sum += pss.unwrap_or(0_u64) * 1024;
        todo.extend(children.get(&pid).into_iter().flatten());
    }
    sum
}

#[actix_web::test]
async fn gigsy_with_its_postgres_leaves_room_on_a_machine_of_1_gb() {
    let server = Server::demo(&[
        ("GIGSY_LIMIT_CALLS", "1000000"),
        ("GIGSY_LIMIT_SIGN_IN", "1000000"),
        ("GIGSY_MAX_CONNECTIONS_PER_SESSION", "200"),
    ])
    .await;
    let postgres = postmaster(&server.data_dir()).expect("a private PostgreSQL").as_raw_nonzero().get();
    let roots = [server.pid(), u32::try_from(postgres).expect("a process")];
    let idle = taken(&roots);
    let (peak, over) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(false)));
    let watching = actix_web::rt::spawn({
        let (peak, over) = (Rc::clone(&peak), Rc::clone(&over));
        async move {
            while !over.get() {
                peak.set(peak.get().max(taken(&roots)));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });

    // Twenty people register and sign in at once: password hashing is what takes most at a stroke.
    let people = server.people(20).await;
    let members: Vec<&Person> = people[1..].iter().collect();
    let room = server.room(&people[0], &members).await;
    let tokens = join_all(people.iter().map(|person| token(&person.api))).await;
    let channel = format!("chat:{room}");
    let mut sockets = Vec::new();
    for n in 0..SOCKETS {
        let mut socket = Socket::connect(server.base(), &tokens[n % tokens.len()]).await.expect("connected");
        socket
            .command("subscribe", json!({"channel": channel, "recoverable": true}))
            .await
            .expect("subscribed");
        sockets.push(socket);
    }
    let until = Instant::now() + LOAD;
    let mut tasks = Vec::new();
    for (n, mut socket) in sockets.into_iter().enumerate() {
        let room = room.clone();
        tasks.push(actix_web::rt::spawn(async move {
            let mut said = 0;
            while Instant::now() < until {
                if n < SENDERS {
                    socket.rpc("chat.send", message(&room, &format!("m{n}-{said}"))).await.expect("sent");
                    said += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                } else {
                    // Reads what comes, as a browser does.
                    let _ = tokio::time::timeout(Duration::from_millis(200), socket.push()).await;
                }
            }
            said
        }));
    }
    for person in people.iter().take(4) {
        let (api, room) = (person.api.clone(), room.clone());
        tasks.push(actix_web::rt::spawn(async move {
            let paths =
                ["/api/v1/gigs", "/api/v1/chat/rooms", "/api/v1/leaderboards", "/api/v1/notifications"];
            let history = format!("/api/v1/chat/rooms/{room}/messages");
            let mut asked = 0;
            while Instant::now() < until {
                for path in paths.iter().copied().chain([history.as_str()]) {
                    api.get(path).await.expect(200);
                    asked += 1;
                }
            }
            asked
        }));
    }
    let done: Vec<usize> = join_all(tasks).await.into_iter().map(|n| n.expect("no panic")).collect();
    over.set(true);
    watching.await.expect("no panic");
    let (said, asked) = (done[..SENDERS].iter().sum::<usize>(), done[SOCKETS..].iter().sum::<usize>());
    println!(
        "gigsy with its PostgreSQL: {} MB after the demo's start, {} MB at most with {SOCKETS} connections, \
         {said} messages and {asked} requests in {LOAD:?}",
        idle >> 20,
        peak.get() >> 20
    );
    assert!(said > 100 && asked > 100, "there was no load: {said} messages, {asked} requests");
    assert!(idle > 20 << 20, "nothing was measured: {idle}");
    assert!(peak.get() < MOST, "{} MB", peak.get() >> 20);
}
