//! What the kit is there for: actix's own behaviour, as it was found in 0.13.5. Should one of these
//! fail after an upgrade, decision 0003 wants a second look.
#![expect(clippy::disallowed_methods, reason = "raw actix is the subject")]

use actix::prelude::*;

struct Raw {
    value: u32,
}

impl Actor for Raw {
    type Context = Context<Self>;
}

impl Supervised for Raw {}

enum Do {
    Add,
    Stop,
    Panic,
}

impl Message for Do {
    type Result = u32;
}

impl Handler<Do> for Raw {
    type Result = u32;

    fn handle(&mut self, message: Do, ctx: &mut Self::Context) -> u32 {
        match message {
            Do::Add => self.value += 1,
            Do::Stop => ctx.stop(),
            Do::Panic => panic!("boom"),
        }
        self.value
    }
}

#[actix_web::test]
async fn a_panic_takes_the_actor_and_its_mailbox_along() {
    for supervised in [false, true] {
        let addr = match supervised {
            true => Supervisor::start(|_| Raw { value: 0 }),
            false => Raw { value: 0 }.start(),
        };
        let (poison, queued) = (addr.send(Do::Panic), addr.send(Do::Add));
        assert!(poison.await.is_err() && queued.await.is_err());
        assert!(
            matches!(addr.send(Do::Add).await, Err(MailboxError::Closed)),
            "not even a supervisor mends it"
        );
        addr.do_send(Do::Add); // and nobody hears that this one is lost
    }
}

#[actix_web::test]
async fn a_supervisor_restarts_a_stopped_actor_with_its_old_state() {
    let addr = Supervisor::start(|_| Raw { value: 0 });
    assert_eq!(addr.send(Do::Add).await, Ok(1));
    let _ = addr.send(Do::Stop).await;
    assert_eq!(addr.send(Do::Add).await, Ok(2));
}

#[actix_web::test]
async fn do_send_goes_past_any_bound() {
    let addr = Raw::create(|ctx| {
        ctx.set_mailbox_capacity(16);
        Raw { value: 0 }
    });
    for _ in 0..100_000 {
        addr.do_send(Do::Add);
    }
    assert_eq!(addr.send(Do::Add).await, Ok(100_001));
}
