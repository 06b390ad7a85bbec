//! Learning with a clock that the test moves by hand, and people of given names.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    clock::ManualClock,
    contexts::{
        chat::People,
        learning::{
            AnswersForm, AttemptView, BankForm, BankId, CourseForm, CourseId, EnrolForm, EnrolmentId,
            EnrolmentView, ItemId, LazyFonts, Learning, LearningError, LearningMetrics, Live, Parts,
            QuestionForm, QuestionId,
            content::Content,
            marking::{Answer, Answers},
        },
        ledger::{self, Ledger},
        objects::{self, Uploads},
    },
    events::{Consumer, Envelope},
    money::BasisPoints,
    ports::payments::{
        NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, Onboarding, PaymentError,
        PaymentIntent, Payments, ProviderPayout, Refund, Transfer, WebhookError, WebhookEvent,
    },
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
    realtime::Hub,
    signing::Signer,
    tests::{
        gigs::provider::FakeProvider,
        objects::world::{Store, settings},
        support::database::TestDatabase,
    },
};

/// Everybody is called the same.
pub(super) struct Named(pub String);

impl People for Named {
    fn existing<'a>(
        &'a self,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, Result<HashMap<UserId, String>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move { Ok(ids.iter().map(|id| (*id, self.0.clone())).collect()) })
    }
}

/// The test's provider, where payees have to open their accounts themselves once `alone` is false.
pub(super) struct Accounts {
    provider: Arc<FakeProvider>,
    pub alone: AtomicBool,
}

#[async_trait]
impl Payments for Accounts {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn opens_accounts_alone(&self) -> bool {
        AtomicBool::load(&self.alone, Ordering::SeqCst)
    }

    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError> {
        self.provider.create_payment(payment, key).await
    }

    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        self.provider.payment(id).await
    }

    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError> {
        self.provider.transfer(transfer, key).await
    }

    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError> {
        self.provider.refund(refund, key).await
    }

    async fn payout(&self, payout: NewPayout, key: &str) -> Result<ProviderPayout, PaymentError> {
        self.provider.payout(payout, key).await
    }

    async fn onboard(&self, payee: NewPayee, key: &str) -> Result<Onboarding, PaymentError> {
        self.provider.onboard(payee, key).await
    }

    fn verify_webhook(
        &self,
        body: &[u8],
        signature: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        self.provider.verify_webhook(body, signature, now)
    }

    async fn resolve(&self, event: &WebhookEvent) -> Result<Notice, PaymentError> {
        self.provider.resolve(event).await
    }
}

pub(super) struct World {
    pub learning: Learning,
    pub live: Live,
    /// Where `live` publishes.
    pub hub: Hub,
    pub clock: ManualClock,
    pub database: Database,
    /// Where the files are.
    pub store: Store,
    pub provider: Arc<FakeProvider>,
    /// The same as learning has it.
    pub accounts: Arc<Accounts>,
    pub uploads: Uploads,
    pub teacher: Principal,
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
        Self::named("Ada Lovelace", "http://localhost:8080").await
    }

    pub async fn named(name: &str, public_url: &str) -> Self {
        Self::with(name, public_url, LazyFonts::default()).await
    }

    /// Documents are set in these fonts.
    pub async fn set_in(name: &str, fonts: LazyFonts) -> Self {
        Self::with(name, "http://localhost:8080", fonts).await
    }

    async fn with(name: &str, public_url: &str, fonts: LazyFonts) -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        let store = Store::start().await;
        let clock = store.clock.clone();
        let signer = Signer::random().unwrap();
        let uploads = Uploads::new(objects::Parts {
            database: database.clone(),
            objects: Arc::new(store.directory.clone()),
            signer: signer.clone(),
            clock: clock.clock(),
            settings: settings(),
        });
        let provider = Arc::new(FakeProvider::default());
        let accounts = Arc::new(Accounts { provider: provider.clone(), alone: AtomicBool::new(true) });
        let ledger = Ledger::new(ledger::Parts {
            database: database.clone(),
            payments: accounts.clone(),
            clock: clock.clock(),
            signer: signer.clone(),
            fee: BasisPoints::new(1_000).unwrap(),
            public_url: public_url.into(),
        });
        let learning = Learning::new(Parts {
            database: database.clone(),
            uploads: uploads.clone(),
            ledger,
            people: Arc::new(Named(name.into())),
            signer,
            clock: clock.clock(),
            public_url: public_url.into(),
            fonts,
            metrics: LearningMetrics::unregistered(),
        });
        let hub = Hub::new();
        let live = Live::new(hub.clone());
        let teacher = person(Role::Instructor);
        Self { learning, live, hub, clock, database, store, provider, accounts, uploads, teacher, test }
    }

    /// A published course of this content.
    pub async fn course(&self, content: Value) -> CourseId {
        let form = CourseForm {
            title: "A course".into(),
            summary: String::new(),
            prerequisites: Vec::new(),
            price: None,
        };
        let id = self.learning.draft_course(&self.teacher, Uuid::now_v7(), &form).await.unwrap().id;
        self.publish(id, content).await;
        id
    }

    pub async fn publish(&self, id: CourseId, content: Value) {
        let content: Content = serde_json::from_value(content).unwrap();
        self.learning.write_draft(&self.teacher, id, &content, None).await.unwrap();
        self.learning.move_course(&self.teacher, id, "publish").await.unwrap();
    }

    pub async fn enrol(&self, who: &Principal, course: CourseId) -> EnrolmentView {
        self.learning.enrol(who, course, Uuid::now_v7(), &EnrolForm::default()).await.unwrap()
    }

    /// A bank of these questions.
    pub async fn bank(&self, questions: &[Value]) -> (BankId, Vec<QuestionId>) {
        let form = BankForm { title: "Questions".into() };
        let bank = self.learning.make_bank(&self.teacher, Uuid::now_v7(), &form).await.unwrap().id;
        let mut ids = Vec::new();
        for question in questions {
            let form: QuestionForm = serde_json::from_value(question.clone()).unwrap();
            let made = self.learning.add_question(&self.teacher, bank, Uuid::now_v7(), &form).await.unwrap();
            ids.push(made.id);
        }
        (bank, ids)
    }

    /// A course of one quiz with these settings over these questions.
    pub async fn quiz(&self, questions: &[Value], more: Value) -> (CourseId, ItemId, Vec<QuestionId>) {
        let (bank, ids) = self.bank(questions).await;
        let item = ItemId::new();
        let mut body = json!({ "type": "quiz", "draws": [{ "bank": bank }], "shuffle": false });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let content = json!({ "modules": [{ "title": "M", "items": [{ "id": item, "title": "Quiz", "body": body }] }] });
        (self.course(content).await, item, ids)
    }

    pub async fn begin(&self, who: &Principal, enrolment: EnrolmentId, item: ItemId) -> AttemptView {
        self.learning.begin_attempt(who, enrolment, item, Uuid::now_v7()).await.unwrap()
    }

    pub async fn submit(
        &self,
        who: &Principal,
        attempt: &AttemptView,
        answers: Answers,
    ) -> Result<AttemptView, LearningError> {
        let form = AnswersForm { answers };
        self.learning.submit(who, attempt.id, Some(&form), Some(attempt.version)).await
    }

    /// What was recorded, in order.
    pub async fn recorded(&self) -> Vec<Envelope> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Jsonb)]
            envelope: Value,
        }
        let mut conn = self.database.conn().await.unwrap();
        let rows: Vec<Row> = diesel::sql_query("SELECT envelope FROM platform.outbox ORDER BY id")
            .load(&mut conn)
            .await
            .unwrap();
        rows.into_iter().map(|row| Envelope::from_json(row.envelope).unwrap()).collect()
    }

    /// Hands all recorded events to a consumer.
    pub async fn deliver(&self, consumer: &dyn Consumer) {
        for event in self.recorded().await {
            let head = |text: &str| text.split('.').next().map(str::to_owned);
            if !consumer.subjects().iter().any(|pattern| head(pattern) == head(&event.subject)) {
                continue;
            }
            let mut conn = self.database.conn().await.unwrap();
            let after = (*conn).transaction(async |conn| {
                consumer.handle(conn, &event).await.map_err(|_| diesel::result::Error::RollbackTransaction)
            });
            for step in after.await.unwrap().into_steps() {
                step();
            }
        }
    }

    pub async fn drain(&self) {
        for _ in 0..50 {
            if self.learning.tick().await.unwrap() == 0 {
                return;
            }
        }
        panic!("timers never end");
    }
}

pub(super) fn single(correct: usize) -> Value {
    json!({ "prompt": "Which?", "kind": { "type": "single", "choices": ["a", "b", "c"], "correct": correct } })
}

pub(super) fn essay() -> Value {
    json!({ "prompt": "Why?", "points": 3, "kind": { "type": "essay" } })
}

pub(super) fn choice(place: usize, one: usize) -> Answers {
    Answers::from([(place, Answer::Choice(one))])
}
