use chrono::Duration;

use super::world::world;
use crate::{
    contexts::identity::{IdentityError, Token},
    error::Fault,
    principal::SessionId,
};

#[tokio::test]
async fn use_keeps_a_session_alive_and_disuse_ends_it() {
    let w = world().await;
    let (opened, _) = w.person("lina@example.org").await;
    let token = opened.token.reveal();
    for _ in 0..5 {
        w.clock.advance(Duration::days(29));
        w.identity.by_session_token(token).await.unwrap();
    }
    w.clock.advance(Duration::days(30));
    assert!(matches!(w.identity.by_session_token(token).await, Err(IdentityError::NoSession)));
}

#[tokio::test]
async fn last_use_is_noted_to_the_minute() {
    let w = world().await;
    let (opened, _) = w.person("lina@example.org").await;
    let token = opened.token.reveal();
    let seen = async || w.identity.session_of(token).await.unwrap().0.last_seen_at;
    w.clock.advance(Duration::seconds(59));
    seen().await;
    assert_eq!(seen().await, opened.session.last_seen_at, "no write within the minute");
    w.clock.advance(Duration::seconds(1));
    seen().await;
    assert_eq!(seen().await, opened.session.last_seen_at + Duration::seconds(60));
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_and_tells() {
    let w = world().await;
    let (opened, who) = w.person("lina@example.org").await;
    w.identity.end_session(&who, who.session_id).await.unwrap();
    let gone = w.identity.by_session_token(opened.token.reveal()).await;
    assert!(matches!(gone, Err(IdentityError::NoSession)));
    assert_eq!(w.ended.ids(), [who.session_id]);
    assert!(matches!(w.identity.by_session_id(who.session_id).await, Err(IdentityError::NoSession)));
}

#[tokio::test]
async fn nobody_ends_anothers_session() {
    let w = world().await;
    let (_, ann) = w.person("ann@example.org").await;
    let (_, bob) = w.person("bob@example.org").await;
    for id in [bob.session_id, SessionId::new()] {
        let refused = w.identity.end_session(&ann, id).await;
        assert!(matches!(refused, Err(IdentityError::NotFound(_))), "the two look alike");
    }
    w.identity.by_session_id(bob.session_id).await.unwrap();
    assert_eq!(w.ended.ids(), []);
}

#[tokio::test]
async fn the_others_end_and_this_one_stays() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let (_, stranger) = w.person("bob@example.org").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(w.sign_in("lina@example.org").await.1.session_id);
    }
    assert_eq!(w.identity.end_other_sessions(&who).await.unwrap(), 3);
    assert_eq!(w.ended.ids(), others);
    w.identity.by_session_id(who.session_id).await.unwrap();
    w.identity.by_session_id(stranger.session_id).await.unwrap();
}

#[tokio::test]
async fn the_list_is_ones_own_and_pages() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let (_, stranger) = w.person("bob@example.org").await;
    let mut all = vec![who.session_id];
    for _ in 0..4 {
        all.insert(0, w.sign_in("lina@example.org").await.1.session_id);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (items, next) = w.identity.session_page(&who, 2, cursor.as_deref()).await.unwrap();
        for item in items {
            assert_eq!(item.current, item.id == who.session_id);
            assert_eq!(item.device.as_deref(), Some("test"));
            assert_eq!(item.address.as_deref(), Some(super::world::HOME));
            seen.push(item.id);
        }
        let Some(next) = next else { break };
        let stolen = w.identity.session_page(&stranger, 2, Some(&next)).await.unwrap_err();
        assert_eq!(stolen.fields()[0].pointer, "?cursor");
        cursor = Some(next);
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_nobody() {
    let w = world().await;
    let (opened, _) = w.person("lina@example.org").await;
    let real = opened.token.reveal();
    let made_up = Token::fresh(crate::contexts::identity::TokenKind::Session).unwrap();
    for token in ["", "gs_", &real[3..], &real.to_uppercase(), &format!("{real}A"), made_up.reveal()] {
        assert!(matches!(w.identity.by_session_token(token).await, Err(IdentityError::NoSession)), "{token}");
    }
}

#[tokio::test]
async fn a_connection_token_lasts_minutes_and_not_past_its_session() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let token = w.identity.realtime_token(&who);
    let grant = w.identity.by_realtime_token(&token.token).await.unwrap();
    assert_eq!((&grant.principal, grant.expires_at), (&who, token.expires_at));
    w.clock.advance(Duration::minutes(10));
    let late = w.identity.by_realtime_token(&token.token).await;
    assert!(matches!(late, Err(IdentityError::TokenExpired)));
    let token = w.identity.realtime_token(&who);
    w.identity.end_session(&who, who.session_id).await.unwrap();
    let ended = w.identity.by_realtime_token(&token.token).await;
    assert!(matches!(ended, Err(IdentityError::NoSession)));
    let forged = w.identity.by_realtime_token("AAAA").await;
    assert!(matches!(forged, Err(IdentityError::NoSession)));
}
