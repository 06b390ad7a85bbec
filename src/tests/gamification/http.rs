//! Points and leaderboards over HTTP and the socket, on a running server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::support::{
    api::Api,
    server::Server,
    socket::Socket,
    wait::{eventually, within},
};

async fn sign_in(server: &Server, who: &str) -> (Api, Value) {
    let person = server.sign_in(&format!("{who}@demo.gigsy.test"), "gigsy-demo-1").await;
    let me = person.api.get("/api/v1/me").await.expect(200);
    (person.api, me)
}

#[actix_web::test]
async fn the_demo_is_on_the_boards_when_the_server_is_ready() {
    let server = Server::demo(&[]).await;
    let (api, me) = sign_in(&server, "student").await;
    let list = api.get("/api/v1/leaderboards").await.expect(200);
    assert_eq!(list["items"][0]["board"], "global");
    assert!(list["items"].as_array().unwrap().iter().any(|board| board["kind"] == "skill"), "{list}");
    let top = api.get("/api/v1/leaderboards/global?top=100").await.expect(200);
    let items = top["items"].as_array().unwrap();
    assert!(items.len() >= 10 && top["total"] == items.len(), "{top}");
    for (n, row) in items.iter().enumerate() {
        assert_eq!(row["rank"], n + 1);
        assert!(row["user_id"].is_string() && row["score"].as_i64().unwrap() > 0, "{row}");
    }
    let around = api.get("/api/v1/leaderboards/global/around-me?span=2").await.expect(200);
    let rank = around["rank"].as_u64().unwrap();
    assert!(
        around["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["user_id"] == me["id"] && row["rank"] == rank)
    );
    let among = format!("/api/v1/leaderboards/global/among?ids={}", items[0]["user_id"].as_str().unwrap());
    assert!(!api.get(&among).await.expect(200)["items"].as_array().unwrap().is_empty());

    for (path, status) in [
        ("/api/v1/leaderboards/nobody", 404),
        ("/api/v1/leaderboards/skill:juggling", 404),
        ("/api/v1/leaderboards/global?top=0", 422),
        ("/api/v1/leaderboards/global?top=101", 422),
        ("/api/v1/leaderboards/global?window=year", 422),
        ("/api/v1/leaderboards/global/around-me?span=51", 422),
        ("/api/v1/leaderboards/global/among?ids=x", 422),
        ("/api/v1/badges/x", 404),
        ("/api/v1/me/xp?cursor=x", 422),
    ] {
        api.get(path).await.expect_problem(status);
    }
    let game = api.get("/api/v1/me/game").await.expect(200);
    assert_eq!(game["total"].as_i64().unwrap(), around["score"].as_i64().unwrap());
    let xp = api.get("/api/v1/me/xp?limit=100").await.expect(200);
    let sum: i64 =
        xp["items"].as_array().unwrap().iter().map(|entry| entry["points"].as_i64().unwrap()).sum();
    assert_eq!(sum, game["total"].as_i64().unwrap());
    assert!(api.get("/api/v1/me/streak").await.expect(200)["current"].as_i64().unwrap() >= 1);
    assert!(!api.get("/api/v1/me/league").await.expect(200)["items"].as_array().unwrap().is_empty());
    api.call("PATCH", "/api/v1/me/game", Some(&json!({ "zone": "Europe/Berlin" }))).await.expect_problem(428);

    // A badge's page is everybody's.
    let badges = api.get(&format!("/api/v1/people/{}/badges", me["id"].as_str().unwrap())).await.expect(200);
    let badge = &badges["items"][0];
    let stranger = Api::new(server.base(), None);
    let shown = stranger.get(&format!("/api/v1/badges/{}", badge["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["display_name"], me["display_name"]);
    assert!(stranger.get(badge["url"].as_str().unwrap()).await.text.contains("badge.js"));
    let ops = sign_in(&server, "operator").await.0;
    let actors = ops.get("/api/v1/ops/actors?kind=leaderboard").await.expect(200);
    assert_eq!(actors["items"][0]["id"], "global", "{actors}");
    // Reading boards again disturbs nobody.
    let rebuilt = server.cli(&["rebuild", "leaderboards"]).await;
    let said = String::from_utf8_lossy(&rebuilt.stdout).into_owned();
    assert!(rebuilt.status.success(), "{said}{}", String::from_utf8_lossy(&rebuilt.stderr));
    assert!(said.contains(&format!("global  {} people", items.len())), "{said}");
    assert_eq!(api.get("/api/v1/leaderboards/global?top=100").await.expect(200)["items"], top["items"]);
    let metrics = stranger.get("/metrics").await.text;
    assert!(metrics.contains("gigsy_xp_points_total{rule=\"registered\"}"), "XP is measured");
}

#[actix_web::test]
async fn somebody_who_earns_rises_live() {
    let server = Server::demo(&[]).await;
    let person = server.person("climber").await;
    let (me, client) = (json!({ "id": person.id }), person.api.clone());
    let around = "/api/v1/leaderboards/global/around-me?span=0";
    let before = eventually("they are on the board", Duration::from_secs(10), async || {
        let now = client.get(around).await;
        (now.status == 200).then_some(now.json)
    })
    .await;
    let token = client.post("/api/v1/realtime/token", &json!({})).await.expect_success();
    let token = token["token"].as_str().unwrap().to_owned();
    let mut socket = Socket::connect(server.base(), &token).await.unwrap();
    let sub = socket.command("subscribe", json!({ "channel": "leaderboard:global" })).await.unwrap();
    assert_eq!(sub["data"]["type"], "snapshot", "{sub}");
    assert_eq!(sub["data"]["items"][0]["rank"], 1);
    let unknown = socket.command("subscribe", json!({ "channel": "leaderboard:nobody" })).await.unwrap_err();
    assert_eq!(unknown.code, 102);
    let gigs = client.get("/api/v1/gigs").await.expect(200);
    let open = gigs["items"].as_array().unwrap().iter();
    let gig = open.clone().find(|gig| gig["questions"].as_array().is_none_or(Vec::is_empty)).unwrap();
    let path = format!("/api/v1/gigs/{}/applications", gig["id"].as_str().unwrap());
    client.post(&path, &json!({ "proposal": "I climb" })).await.expect(201);
    let score = before["score"].as_i64().unwrap();
    let found = eventually("the score", Duration::from_secs(10), async || {
        let now = client.get(around).await.expect(200);
        (now["score"] != score).then_some(now)
    })
    .await;
    assert_eq!(found["score"].as_i64().unwrap(), score + 5);
    let (mut top, mut own) = (false, false);
    let news = within("news of the board", Duration::from_secs(10), async {
        while !(top && own) {
            let push = socket.push().await.unwrap();
            let data = &push["push"]["pub"]["data"];
            let items = data["items"].as_array();
            top |= push["push"]["channel"] == "leaderboard:global"
                && items.is_some_and(|items| items.iter().any(|row| row["user_id"] == me["id"]));
            own |= data["type"] == "rank" && data["score"] == found["score"];
        }
    });
    news.await;
    let answer = socket.rpc("leaderboard.around_me", json!({ "board": "global", "span": 1 })).await.unwrap();
    assert_eq!(answer["rank"], found["rank"]);
    let answer = socket.rpc("leaderboard.top", json!({ "board": "global", "limit": 3 })).await.unwrap();
    assert_eq!(answer["items"].as_array().unwrap().len(), 3);
}
