//! A ledger of one's own.

use std::{future::Future, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    clock::{Clock, ManualClock},
    contexts::ledger::{self, FundHold, Ledger, Parts, Release},
    money::{BasisPoints, Currency, Money},
    ports::payments::{
        Payments,
        sandbox::{Faults, Sandbox},
        signature::WebhookSecret,
    },
    postgres::{Conn, Database},
    principal::{Principal, Role, SessionId, UserId},
    signing::Signer,
    tests::support::database::TestDatabase,
};

pub const FEE: u16 = 1_000;

pub struct World {
    pub database: Database,
    pub ledger: Ledger,
    pub sandbox: Sandbox,
    pub clock: ManualClock,
    // Last: the pool lets go before the database is dropped.
    _own: TestDatabase,
}

pub async fn world(faults: Faults) -> World {
    let own = TestDatabase::new();
    let database = own.open().await;
    let clock = ManualClock::default();
    let sandbox = sandbox(&database, clock.clock(), faults);
    let ledger = books(&database, &clock, Arc::new(sandbox.clone()));
    World { database, ledger, sandbox, clock, _own: own }
}

fn books(database: &Database, clock: &ManualClock, payments: Arc<dyn Payments>) -> Ledger {
    Ledger::new(Parts {
        database: database.clone(),
        payments,
        clock: clock.clock(),
        signer: Signer::new(&[7; 32]),
        fee: fee(),
        public_url: "http://127.0.0.1:1".into(),
    })
}

pub fn sandbox(database: &Database, clock: Clock, faults: Faults) -> Sandbox {
    Sandbox::new(database.clone(), secret(), clock, faults)
}

pub fn secret() -> WebhookSecret {
    WebhookSecret::new("whsec_test")
}

pub fn fee() -> BasisPoints {
    BasisPoints::new(FEE).unwrap()
}

pub fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

impl World {
    pub async fn conn(&self) -> Conn {
        self.database.conn().await.unwrap()
    }

    /// The same books, with another provider.
    pub fn with(&self, payments: impl Payments) -> Ledger {
        books(&self.database, &self.clock, Arc::new(payments))
    }

    /// A payee with `minor` cents to be paid.
    pub async fn payee_with(&self, minor: i64) -> UserId {
        let payee = UserId::new();
        let form = payment(minor, payee);
        let conn = &mut *self.conn().await;
        ledger::fund(conn, form.clone()).await.unwrap();
        ledger::release(conn, form.hold, Release::Whole(BasisPoints::ZERO)).await.unwrap();
        payee
    }
}

/// A payment of `minor` cents for a fresh hold.
pub fn payment(minor: i64, payee: UserId) -> FundHold {
    let hold = Uuid::now_v7();
    FundHold {
        hold,
        payer: UserId::new(),
        payee,
        amount: euro(minor),
        provider_ref: format!("pi_{}", hold.simple()),
    }
}

/// Somebody who may be paid.
pub fn person(user_id: UserId) -> Principal {
    Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: "Ada".into(),
        roles: vec![Role::Student],
        email_verified: true,
    }
}

/// Runs a property's case to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Delivers until nothing is left, moving the clock on.
pub async fn settle(world: &World) {
    let mut quiet = 0;
    while quiet < 20 {
        world.clock.advance(chrono::Duration::seconds(20));
        quiet = if world.sandbox.deliver(&world.ledger).await.unwrap() == 0 { quiet + 1 } else { 0 };
    }
}

pub const SOON: Duration = Duration::from_millis(50);
