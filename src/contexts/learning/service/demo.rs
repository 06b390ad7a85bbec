//! The demo's courses: one with a quiz, one that builds on it.

use serde_json::json;
use uuid::Uuid;

use crate::{
    contexts::learning::{
        BankForm, CourseForm, EnrolForm, ImportForm, Learning, LearningError, ProgressForm,
        model::{BankId, CourseId, CourseState, ItemId, content::Content},
        store,
    },
    money::{Currency, Money},
    principal::{Principal, Role, SessionId, UserId},
};

/// Who plays in the demo.
#[derive(Clone, Copy, Debug)]
pub struct DemoCast {
    /// Teaches.
    pub instructor: UserId,
    /// Learns.
    pub student: UserId,
}

/// Ids that stay the same, so that the demo is put in place once. The last digits count.
const fn fixed(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + n)
}

const QUESTIONS: &str = "\
::Order of clauses::Which clause filters groups? {~WHERE =HAVING ~ORDER BY ~LIMIT}

::Joins::Which of these keep rows without a partner? {~%50%LEFT JOIN ~%50%FULL JOIN ~%-100%INNER JOIN ~%-50%CROSS JOIN}

::Null::NULL \\= NULL is true. {FALSE}

::Count::A table has 5 rows, two of them with NULL in column a. What is count(a)? {#3}

::Word::Which keyword removes duplicate rows from a result? {=DISTINCT =SELECT DISTINCT}

::Pairs::Match each statement to what it does. {=INSERT -> adds rows =UPDATE -> changes rows =DELETE -> removes rows = -> drops the table}
";

fn person(user_id: UserId, role: Role) -> Principal {
    Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: String::new(),
        roles: vec![role],
        email_verified: true,
    }
}

impl Learning {
    /// Puts the demo's courses in place; twice changes nothing.
    ///
    /// # Errors
    /// What kept it; what was done stays and is not done again.
    pub async fn seed_demo(&self, cast: &DemoCast) -> Result<(), LearningError> {
        let teacher = person(cast.instructor, Role::Instructor);
        let bank = fixed(1);
        self.make_bank(&teacher, bank, &BankForm { title: "SQL basics".into() }).await?;
        if self.bank(&teacher, BankId(bank)).await?.questions.unwrap_or_default().is_empty() {
            self.import(&teacher, BankId(bank), &ImportForm { gift: QUESTIONS.into(), qti: Vec::new() })
                .await?;
        }
        let first = CourseId(fixed(2));
        let sql = json!({
            "order": "sequential",
            "modules": [
                { "title": "Reading data", "items": [
                    { "id": fixed(10), "title": "Tables and rows", "body": { "type": "text", "markdown":
                        "# Tables and rows\n\nA **table** has columns with types, and rows without an order.\n\n\
                         ```sql\nSELECT name, price FROM books WHERE price < 20 ORDER BY name;\n```\n\n\
                         | clause | does |\n| --- | --- |\n| `WHERE` | keeps rows |\n| `ORDER BY` | sorts them |\n" } },
                    { "id": fixed(11), "title": "Groups and joins", "body": { "type": "text", "markdown":
                        "# Groups and joins\n\n`GROUP BY` makes one row of many; `HAVING` keeps groups.\n\n\
                         A `LEFT JOIN` keeps rows that have no partner." } },
                ] },
                { "title": "Check yourself", "items": [
                    { "id": fixed(12), "title": "Quiz", "rule": { "scored": 60 }, "body": {
                        "type": "quiz", "draws": [{ "bank": bank, "count": 5 }], "minutes": 20, "attempts": 5 } },
                    { "id": fixed(13), "title": "Your own question", "required": false, "due": { "days": 14 },
                      "body": { "type": "assignment",
                        "markdown": "Write a query over a table of your own and say what it answers.",
                        "rubric": { "criteria": [
                            { "name": "It answers the question", "points": 6 },
                            { "name": "It can be read", "points": 4 } ] },
                        "late": { "grace_minutes": 60, "percent_per_day": 10, "close_after_days": 7 } } },
                ] },
            ],
        });
        let card = CourseForm {
            title: "First steps with SQL".into(),
            summary:
                "Ask a database good questions: select, filter, group, join. Two texts, a quiz, an exercise."
                    .into(),
            prerequisites: Vec::new(),
            price: None,
        };
        self.demo_course(&teacher, first, &card, sql).await?;
        let next = json!({
            "modules": [{ "title": "What an index does", "items": [
                { "id": fixed(20), "title": "B-trees in ten minutes", "body": { "type": "text", "markdown":
                    "# B-trees\n\nAn index is a sorted copy. It makes reading faster, and writing slower." } },
                { "id": fixed(21), "title": "Reading a plan", "body": { "type": "text", "markdown":
                    "# EXPLAIN\n\nRead a plan from the inside out, and compare *estimated* with *actual* rows." } },
            ] }],
        });
        let card = CourseForm {
            title: "Indexes and query plans".into(),
            summary: "Why a query is slow, and what to do about it. Builds on First steps with SQL.".into(),
            prerequisites: vec![first],
            price: None,
        };
        self.demo_course(&teacher, CourseId(fixed(3)), &card, next).await?;
        let paid = json!({
            "modules": [{ "title": "Before you begin", "items": [
                { "id": fixed(30), "title": "What an interviewer wants to know", "body": { "type": "text", "markdown":
                    "# Think aloud\n\nA data interview is less about syntax than about how you check yourself." } },
            ] }],
        });
        let card = CourseForm {
            title: "The data interview".into(),
            summary: "Practise the questions that data teams ask, with an instructor who has asked them."
                .into(),
            prerequisites: Vec::new(),
            price: Some(Money::new(2_900, Currency::EUR)),
        };
        self.demo_course(&teacher, CourseId(fixed(5)), &card, paid).await?;

        let student = person(cast.student, Role::Student);
        let enrolled = store::enrolments::live(&mut *self.conn().await?, first, cast.student).await?;
        if enrolled.is_none() {
            let id = self.enrol(&student, first, fixed(4), &EnrolForm::default()).await?.id;
            let viewed = ProgressForm { viewed: true, ..ProgressForm::default() };
            self.advance(&student, id, ItemId(fixed(10)), &viewed).await?;
        }
        Ok(())
    }

    async fn demo_course(
        &self,
        teacher: &Principal,
        id: CourseId,
        card: &CourseForm,
        content: serde_json::Value,
    ) -> Result<(), LearningError> {
        let course = self.draft_course(teacher, id.0, card).await?;
        let course = self.course(teacher, course.id).await?;
        if course.state == CourseState::Draft {
            let content: Content = serde_json::from_value(content)?;
            self.write_draft(teacher, id, &content, None).await?;
            self.move_course(teacher, id, "publish").await?;
        }
        Ok(())
    }
}
