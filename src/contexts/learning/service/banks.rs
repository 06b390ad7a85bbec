//! Banks of questions: writing, GIFT, statistics.

use std::collections::HashMap;

use diesel_async::AsyncConnection;
use uuid::Uuid;

use super::one_more;
use crate::{
    contexts::learning::{
        BankForm, BankView, ImportForm, ImportView, Learning, LearningError, QtiView, QuestionForm,
        QuestionStatistics, QuestionView,
        forms::Check,
        model::{BankId, QuestionId, gift, marking::Mark, paper::Place, qti, quiz::Question},
        store::{
            self,
            banks::{Bank, Row},
        },
        views::{QtiItem, Refused},
    },
    error::FieldError,
    principal::{Principal, Role},
};

/// Attempts that statistics look at: the latest so many.
const SAMPLES: i64 = 5_000;
/// Of these in memory with their papers at a time.
const SAMPLES_AT_ONCE: i64 = 200;
/// Questions of a bank at most.
const LARGEST: usize = 2_000;

fn view(bank: &Bank, rows: Option<Vec<Row>>) -> Result<BankView, LearningError> {
    let question = |row: Row| {
        let Row { id, revision, body, retired, .. } = row;
        Ok(QuestionView { id, revision, retired, question: serde_json::from_value(body)? })
    };
    let questions =
        rows.map(|rows| rows.into_iter().map(question).collect::<Result<Vec<_>, LearningError>>());
    let (id, title, created_at) = (bank.id, bank.title.clone(), bank.created_at);
    Ok(BankView { id, title, questions: questions.transpose()?, created_at })
}

impl Learning {
    pub(super) async fn bank_of(
        &self,
        conn: &mut diesel_async::AsyncPgConnection,
        who: &Principal,
        id: BankId,
    ) -> Result<Bank, LearningError> {
        let bank = store::banks::load(conn, id).await?.filter(|bank| bank.owner_id == who.user_id);
        bank.ok_or(LearningError::No("bank"))
    }

    /// Makes a bank under `id`.
    ///
    /// # Errors
    /// [`LearningError::NotYours`] for somebody who is no instructor; [`LearningError::Invalid`].
    pub async fn make_bank(
        &self,
        who: &Principal,
        id: Uuid,
        form: &BankForm,
    ) -> Result<BankView, LearningError> {
        if !who.is(Role::Instructor) {
            return Err(LearningError::NotYours("only instructors have banks of questions"));
        }
        let mut check = Check::default();
        let title = check.text("/title", &form.title, 1..=120);
        check.done()?;
        let bank = Bank { id: BankId(id), owner_id: who.user_id, title, created_at: self.now() };
        let mut conn = self.conn().await?;
        store::banks::insert(&mut conn, &bank).await?;
        let bank = self.bank_of(&mut conn, who, bank.id).await?;
        view(&bank, Some(store::banks::questions(&mut conn, bank.id).await?))
    }

    /// One's banks, the newest first.
    ///
    /// # Errors
    /// [`LearningError::Invalid`] for a foreign cursor.
    pub async fn banks(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<BankView>, Option<String>), LearningError> {
        let before = self.after("banks", cursor)?;
        let found =
            store::banks::list(&mut *self.conn().await?, who.user_id, before, one_more(limit)).await?;
        let (found, next) = self.page("banks", found, limit, |bank| bank.id.0);
        Ok((found.iter().map(|bank| view(bank, None)).collect::<Result<_, _>>()?, next))
    }

    /// A bank with its questions, answers included.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn bank(&self, who: &Principal, id: BankId) -> Result<BankView, LearningError> {
        let mut conn = self.conn().await?;
        let bank = self.bank_of(&mut conn, who, id).await?;
        view(&bank, Some(store::banks::questions(&mut conn, id).await?))
    }

    /// Adds a question under `id`.
    ///
    /// # Errors
    /// [`LearningError::Invalid`].
    pub async fn add_question(
        &self,
        who: &Principal,
        bank: BankId,
        id: Uuid,
        form: &QuestionForm,
    ) -> Result<QuestionView, LearningError> {
        checked(&form.question)?;
        let mut conn = self.conn().await?;
        self.bank_of(&mut conn, who, bank).await?;
        let there = store::banks::latest(&mut conn, &[QuestionId(id)]).await?;
        if there.is_empty() {
            if store::banks::questions(&mut conn, bank).await?.len() >= LARGEST {
                return Err(LearningError::Contradicts("a bank holds 2,000 questions at most"));
            }
            self.write(&mut conn, bank, QuestionId(id), 1, form).await?;
        }
        let (question, retired) = (form.question.clone(), form.retired);
        Ok(QuestionView { id: QuestionId(id), revision: 1, retired, question })
    }

    /// Writes the next revision of a question. Attempts keep the one that they asked; a regrade marks by
    /// the latest.
    ///
    /// # Errors
    /// [`LearningError::Invalid`], [`LearningError::Stale`] when another revision was written.
    pub async fn revise_question(
        &self,
        who: &Principal,
        id: QuestionId,
        form: &QuestionForm,
        seen: Option<i64>,
    ) -> Result<QuestionView, LearningError> {
        checked(&form.question)?;
        let mut conn = self.conn().await?;
        let row = store::banks::latest(&mut conn, &[id]).await?.pop().ok_or(LearningError::No("question"))?;
        self.bank_of(&mut conn, who, row.bank_id).await.map_err(|_| LearningError::No("question"))?;
        if seen.is_some_and(|seen| seen != i64::from(row.revision)) {
            return Err(LearningError::Stale);
        }
        let revision = row.revision + 1;
        self.write(&mut conn, row.bank_id, id, revision, form).await?;
        Ok(QuestionView { id, revision, retired: form.retired, question: form.question.clone() })
    }

    async fn write(
        &self,
        conn: &mut diesel_async::AsyncPgConnection,
        bank: BankId,
        id: QuestionId,
        revision: i32,
        form: &QuestionForm,
    ) -> Result<(), LearningError> {
        let body = serde_json::to_value(&form.question)?;
        let row = Row { id, revision, bank_id: bank, body, retired: form.retired };
        match store::banks::add(conn, &row, self.now()).await {
            Err(error) if error.constraint() == Some("questions_pkey") => Err(LearningError::Stale),
            other => Ok(other?),
        }
    }

    /// Takes the questions of a GIFT file or of QTI items; what cannot be taken is named, and the rest is.
    ///
    /// # Errors
    /// [`LearningError::Invalid`] for a file that is too long.
    pub async fn import(
        &self,
        who: &Principal,
        bank: BankId,
        form: &ImportForm,
    ) -> Result<ImportView, LearningError> {
        let read = read(form)?;
        let now = self.now();
        let mut conn = self.conn().await?;
        self.bank_of(&mut conn, who, bank).await?;
        if store::banks::questions(&mut conn, bank).await?.len() + read.questions.len() > LARGEST {
            return Err(LearningError::Contradicts("a bank holds 2,000 questions at most"));
        }
        let questions = &read.questions;
        (*conn)
            .transaction(async |conn| {
                for question in questions {
                    let body = serde_json::to_value(question)?;
                    let row = Row { id: QuestionId::new(), revision: 1, bank_id: bank, body, retired: false };
                    store::banks::add(conn, &row, now).await?;
                }
                Ok::<_, LearningError>(())
            })
            .await?;
        let told = |all: Vec<(usize, String)>| {
            all.into_iter().map(|(line, reason)| Refused { line, reason }).collect()
        };
        Ok(ImportView {
            imported: read.questions.len(),
            refused: told(read.refused),
            left_out: told(read.left_out),
        })
    }

    /// A bank as items of QTI 2.1.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn export_qti(&self, who: &Principal, id: BankId) -> Result<QtiView, LearningError> {
        let bank = self.bank(who, id).await?;
        let kept = bank.questions.unwrap_or_default().into_iter().filter(|one| !one.retired);
        let items = kept.enumerate().map(|(n, one)| {
            let name = format!("Q{}", n + 1);
            QtiItem { file: format!("{name}.xml"), xml: qti::write(&name, &one.question) }
        });
        Ok(QtiView { items: items.collect() })
    }

    /// A bank as a GIFT file. What GIFT cannot say stands in comments at its end.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn export(&self, who: &Principal, id: BankId) -> Result<String, LearningError> {
        let bank = self.bank(who, id).await?;
        let kept = bank.questions.unwrap_or_default().into_iter().filter(|one| !one.retired);
        let (mut file, refused) = gift::write(&kept.map(|one| one.question).collect::<Vec<_>>());
        for said in refused {
            file.push_str(&format!("// {}\n", said.replace('\n', " ")));
        }
        Ok(file)
    }

    /// How a bank's questions do, over the latest graded attempts.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn statistics(
        &self,
        who: &Principal,
        id: BankId,
    ) -> Result<Vec<QuestionStatistics>, LearningError> {
        let mut conn = self.conn().await?;
        let bank = self.bank_of(&mut conn, who, id).await?;
        let rows = store::banks::questions(&mut conn, id).await?;
        let mut answered: HashMap<QuestionId, Vec<(f64, f64)>> =
            rows.iter().map(|row| (row.id, Vec::new())).collect();
        let mut before = None;
        for _ in 0..SAMPLES / SAMPLES_AT_ONCE {
            let page = store::attempts::samples(&mut conn, &bank, before, SAMPLES_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            for sample in page {
                let paper: Vec<Place> = serde_json::from_value(sample.paper)?;
                let marks: Vec<Mark> = serde_json::from_value(sample.marks)?;
                for (place, mark) in paper.iter().zip(&marks) {
                    let Some(all) = answered.get_mut(&place.question) else { continue };
                    let Some(score) = mark.score else { continue };
                    let (own, rest) = (score.max(0) as f64, (sample.score - score) as f64);
                    let rest_max = (sample.max_score - mark.max).max(1) as f64;
                    all.push((own / mark.max.max(1) as f64, rest / rest_max));
                }
            }
        }
        let of = |row: &Row| statistics(row.id, answered.get(&row.id).map(Vec::as_slice).unwrap_or_default());
        Ok(rows.iter().map(of).collect())
    }
}

/// Reads what a form holds: GIFT or QTI.
fn read(form: &ImportForm) -> Result<qti::Imported, LearningError> {
    if form.gift.is_empty() == form.qti.is_empty() {
        return Err(LearningError::field("/gift", "takes either GIFT or QTI, not both"));
    }
    if form.gift.chars().count() > 200_000 {
        return Err(LearningError::field("/gift", "takes 200,000 characters at most"));
    }
    if form.qti.len() > 500 || form.qti.iter().any(|item| item.chars().count() > 100_000) {
        return Err(LearningError::field("/qti", "takes 500 items of 100,000 characters at most"));
    }
    if form.qti.is_empty() {
        let gift::Imported { questions, refused } = gift::parse(&form.gift);
        return Ok(qti::Imported { questions, refused, left_out: Vec::new() });
    }
    Ok(qti::parse(&form.qti))
}

fn checked(question: &Question) -> Result<(), LearningError> {
    let flaws = question.flaws();
    if flaws.is_empty() {
        return Ok(());
    }
    Err(LearningError::Invalid(flaws.into_iter().map(|(at, said)| FieldError::new(at, said)).collect()))
}

/// Difficulty and discrimination of pairs (own score, score of the rest).
fn statistics(question_id: QuestionId, all: &[(f64, f64)]) -> QuestionStatistics {
    let count = all.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| all.iter().map(of).sum::<f64>() / count;
    let (own, rest) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let both = mean(&|pair| (pair.0 - own) * (pair.1 - rest));
    let (a, b) = (mean(&|pair| (pair.0 - own).powi(2)), mean(&|pair| (pair.1 - rest).powi(2)));
    let spread = (a * b).sqrt();
    QuestionStatistics {
        question_id,
        answers: all.len(),
        difficulty: own,
        discrimination: (spread > 1e-12).then(|| (both / spread).clamp(-1.0, 1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_follows_the_rest_discriminates() {
        let id = QuestionId::new();
        let good = statistics(id, &[(1.0, 0.9), (1.0, 0.8), (0.0, 0.2), (0.0, 0.1)]);
        assert!((good.difficulty - 0.5).abs() < 1e-9 && good.discrimination.unwrap() > 0.9, "{good:?}");
        let bad = statistics(id, &[(0.0, 0.9), (1.0, 0.1)]);
        assert!(bad.discrimination.unwrap() < -0.9);
        assert_eq!(statistics(id, &[(1.0, 0.5), (1.0, 0.6)]).discrimination, None);
        assert_eq!(statistics(id, &[]).answers, 0);
    }
}
