//! Broken input at the socket closes that socket with the right code and touches nobody else.

use std::time::Duration;

use serde_json::json;

use super::talk::{connect, message, token};
use crate::tests::support::{
    server::{PASSWORD, Server},
    socket::Socket,
    wait::within,
};

#[actix_web::test]
async fn broken_frames_close_their_connection_and_no_other() {
    let server = Server::start(&[("GIGSY_MAX_FRAME_BYTES", "8192"), ("GIGSY_HANDSHAKE_SECONDS", "2")]).await;
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let mut bystander = connect(&server, &ada).await;
    let signed_in = [
        "not json",
        "[]",
        "{\"id\":1}\nnot json",
        "{\"id\":-1,\"rpc\":{}}",
        "{\"id\":9,\"no_such_command\":{}}",
        "{\"id\":9,\"subscribe\":7}",
        "{\"id\":9,\"connect\":{}}",
        "\u{0}",
        "{",
    ];
    for frame in signed_in {
        let mut socket = connect(&server, &ada).await;
        socket.send_text(frame).await.expect("sent");
        let (code, reason) = within(frame, Duration::from_secs(10), socket.until_closed()).await;
        assert_eq!(code, 3501, "{frame:?} was answered with {code} {reason:?}");
        assert!(!reason.is_empty(), "{frame:?}: no reason");
    }
    // Before `connect` nothing else is taken.
    let mut socket = Socket::open(server.base(), &[]).await.expect("opened");
    socket.send_text("{\"id\":1,\"presence\":{\"channel\":\"chat:x\"}}").await.expect("sent");
    let (code, reason) =
        within("a command before connect", Duration::from_secs(10), socket.until_closed()).await;
    assert_eq!(code, 3501, "{code} {reason:?}");
    // Too large a frame ends the connection, by our code or WebSocket's own.
    let mut socket = connect(&server, &ada).await;
    let _ = socket.send_text(&"x".repeat(100_000)).await;
    let (code, _) = within("a large frame", Duration::from_secs(10), socket.until_closed()).await;
    assert!(matches!(code, 0 | 1009 | 3501..=3508), "closed with {code}");
    // Who never connects is let go.
    let mut socket = Socket::open(server.base(), &[]).await.expect("opened");
    let (code, reason) = within("no connect", Duration::from_secs(10), socket.until_closed()).await;
    assert_eq!(code, 3502, "{code} {reason:?}");

    bystander.rpc("chat.send", message(&room, "still-0")).await.expect("the bystander is served");
}

#[actix_web::test]
async fn a_foreign_page_cannot_ride_on_the_cookie() {
    let server = Server::start(&[]).await;
    let ada = server.person("Ada").await;
    let body = json!({"email": ada.email, "password": PASSWORD});
    let answer = server.api().post("/api/v1/auth/sessions", &body).await;
    let cookie = answer.cookie.clone().expect("signing in sets a cookie");

    let foreign =
        Socket::open(server.base(), &[("Origin", "https://evil.example"), ("Cookie", &cookie)]).await;
    assert!(foreign.is_err(), "the upgrade of a foreign page is refused");

    let mut own = Socket::open(server.base(), &[("Origin", server.base()), ("Cookie", &cookie)])
        .await
        .expect("our own page may");
    own.command("connect", json!({})).await.expect("signed in by the cookie");

    // A script with a bearer token has no Origin, or one that does not matter to it.
    let token = token(&ada.api).await;
    Socket::connect(server.base(), &token).await.expect("a token needs no cookie");
}
