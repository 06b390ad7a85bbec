//! A marketplace with a clock and a payment provider that the test moves by hand.

use std::sync::Arc;

use diesel_async::AsyncConnection;

use super::provider::FakeProvider;
use crate::{
    clock::ManualClock,
    contexts::{
        gigs::{
            ApplicationView, ApplyForm, Budget, BudgetKind, ContractId, ContractView, GigForm, GigId, Gigs,
            GigsError, MilestoneForm, MilestoneId, MilestoneState, MilestoneView, OfferForm,
            OfferedMilestone, Parts,
        },
        ledger::{self, Ledger, LedgerError, PaymentSink},
    },
    money::{BasisPoints, Currency, Money},
    ports::payments::{Notice, PaymentStatus},
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
    signing::Signer,
    tests::support::database::TestDatabase,
};

pub(super) struct World {
    pub gigs: Gigs,
    pub ledger: Ledger,
    pub clock: ManualClock,
    pub provider: Arc<FakeProvider>,
    pub database: Database,
    pub test: TestDatabase,
}

pub(super) fn person(role: Role) -> Principal {
    Principal {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![role],
        email_verified: true,
    }
}

impl World {
    pub async fn new() -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        let clock = ManualClock::default();
        let provider = Arc::new(FakeProvider::default());
        let signer = Signer::random().unwrap();
        let ledger = Ledger::new(ledger::Parts {
            database: database.clone(),
            payments: provider.clone(),
            clock: clock.clock(),
            signer: signer.clone(),
            fee: BasisPoints::new(1_000).unwrap(),
            public_url: "http://localhost".into(),
        });
        let gigs = Gigs::new(Parts {
            database: database.clone(),
            ledger: ledger.clone(),
            signer,
            clock: clock.clock(),
        });
        Self { gigs, ledger, clock, provider, database, test }
    }

    pub fn form(slots: i32) -> GigForm {
        GigForm {
            title: "A poster".into(),
            description: "For the concert in May".into(),
            skills: vec!["design".into()],
            budget: Budget {
                kind: BudgetKind::Fixed,
                amount_minor: 10_001,
                max_amount_minor: None,
                currency: Currency::EUR,
            },
            slots,
            deadline: None,
            questions: Vec::new(),
            attachments: Vec::new(),
        }
    }

    pub async fn open_gig(&self, client: &Principal, slots: i32) -> GigId {
        let gig = self.gigs.draft(client, &Self::form(slots)).await.unwrap().id;
        self.gigs.move_gig(client, gig, "post").await.unwrap();
        gig
    }

    pub async fn apply(&self, student: &Principal, gig: GigId) -> ApplicationView {
        let form = ApplyForm { proposal: "I draw".into(), answers: Vec::new() };
        self.gigs.apply(student, gig, &form).await.unwrap()
    }

    pub async fn offered(
        &self,
        client: &Principal,
        student: &Principal,
        gig: GigId,
        amounts: &[i64],
    ) -> ApplicationView {
        let id = self.apply(student, gig).await.id;
        self.gigs.move_application(client, id, "shortlist", &OfferForm::default()).await.unwrap();
        let piece = |(n, amount): (usize, &i64)| OfferedMilestone {
            title: format!("Part {n}"),
            amount: Money::new(*amount, Currency::EUR),
            due_at: None,
        };
        let offer = OfferForm { milestones: amounts.iter().enumerate().map(piece).collect() };
        self.gigs.move_application(client, id, "offer", &offer).await.unwrap()
    }

    /// A contract with milestones of these amounts.
    pub async fn contract(&self, client: &Principal, student: &Principal, amounts: &[i64]) -> ContractView {
        let gig = self.open_gig(client, 1).await;
        let application = self.offered(client, student, gig, amounts).await;
        let none = OfferForm::default();
        let accepted = self.gigs.move_application(student, application.id, "accept", &none).await.unwrap();
        self.gigs.contract(client, accepted.contract_id.unwrap()).await.unwrap()
    }

    pub async fn step(
        &self,
        who: &Principal,
        milestone: MilestoneId,
        step: &str,
    ) -> Result<MilestoneView, GigsError> {
        let reason = (step == "dispute").then(|| "We disagree".to_owned());
        self.gigs.move_milestone(who, milestone, step, &MilestoneForm { note: None, reason }).await
    }

    /// What the provider tells of a payment, as the ledger passes it on.
    pub async fn tell(&self, notice: &Notice) -> Result<(), LedgerError> {
        let mut conn = self.database.conn().await.unwrap();
        let sink = &self.gigs;
        (*conn).transaction(async |conn| PaymentSink::apply(sink, conn, notice).await).await
    }

    /// The latest payment of a milestone succeeds or fails, and the provider tells.
    pub async fn pay(&self, milestone: MilestoneId, status: PaymentStatus) {
        let payment = self.provider.payments_of(milestone.0).pop().expect("a payment is waiting");
        self.provider.set(&payment.id, status);
        let mut now = payment;
        now.status = status;
        self.tell(&Notice::Payment(now)).await.unwrap();
    }

    /// Funds a milestone and has it paid.
    pub async fn fund(&self, client: &Principal, milestone: MilestoneId) {
        self.step(client, milestone, "fund").await.unwrap();
        self.pay(milestone, PaymentStatus::Succeeded).await;
    }

    /// Does what is due, until nothing is.
    pub async fn drain(&self) {
        for _ in 0..50 {
            if self.gigs.tick().await.unwrap() == 0 {
                return;
            }
        }
        panic!("timers never end");
    }

    pub async fn state(&self, who: &Principal, milestone: MilestoneId) -> MilestoneState {
        self.gigs.milestone(who, milestone).await.unwrap().state
    }

    /// Invariant 2 of one contract: what came in is somewhere, and what is held is what the states say.
    pub async fn check_money(&self, who: &Principal, contract: ContractId) -> Result<(), String> {
        let view = self.gigs.contract(who, contract).await.map_err(|e| e.to_string())?;
        let money = self.gigs.contract_money(who, contract).await.map_err(|e| e.to_string())?;
        let t = &money.totals;
        let parts = [t.held, t.released, t.fee, t.refunded, t.reversed];
        let sum: i64 = parts.iter().map(|part| part.amount_minor).sum();
        if parts.iter().any(|part| part.amount_minor < 0) || sum != t.funded.amount_minor {
            return Err(format!("money went missing: {t:?}"));
        }
        let should: i64 = view
            .milestones
            .iter()
            .filter(|milestone| milestone.state.holds_money())
            .map(|milestone| milestone.amount.amount_minor)
            .sum();
        if t.held.amount_minor != should {
            return Err(format!("held {} and should hold {should}", t.held.amount_minor));
        }
        Ok(())
    }
}
