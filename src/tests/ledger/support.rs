//! A ledger of one's own.

use std::{future::Future, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    clock::{Clock, ManualClock},
    contexts::ledger::{FundHold, Ledger, Parts},
    money::{BasisPoints, Currency, Money},
    ports::payments::{
        sandbox::{Faults, Sandbox},
        signature::WebhookSecret,
    },
    postgres::{Conn, Database},
    principal::UserId,
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
    let ledger = Ledger::new(Parts {
        database: database.clone(),
        payments: Arc::new(sandbox.clone()),
        clock: clock.clock(),
        signer: Signer::new(&[7; 32]),
        fee: fee(),
        public_url: "http://127.0.0.1:1".into(),
    });
    World { database, ledger, sandbox, clock, _own: own }
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
