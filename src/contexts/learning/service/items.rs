//! Taking an item.

use super::{
    attempts,
    enrolments::{one_progress, taking, unlocked},
    kind_of,
};
use crate::{
    contexts::{
        learning::{
            ItemView, Learning, LearningError, SubmissionView,
            model::{
                EnrolmentId, ItemId,
                content::{Body, rendered},
            },
            store,
        },
        objects::UploadId,
    },
    principal::Principal,
};
use diesel_async::AsyncConnection;

impl Learning {
    /// An item of one's course, with what is needed to take it. Looking is no progress: the client says
    /// when something was viewed.
    ///
    /// # Errors
    /// [`LearningError::Locked`] in a sequential course; [`LearningError::No`].
    pub async fn item(
        &self,
        who: &Principal,
        id: EnrolmentId,
        item: ItemId,
    ) -> Result<ItemView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let (enrolment, content) = (*conn)
            .transaction(async |conn| {
                let (enrolment, content) = taking(conn, who, id).await?;
                unlocked(conn, &enrolment, &content, item, now).await?;
                Ok::<_, LearningError>((enrolment, content))
            })
            .await?;
        let item = content.item(item).ok_or(LearningError::No("item"))?;
        let all = store::enrolments::progress(&mut conn, enrolment.id).await?;
        let mut view = ItemView {
            id: item.id,
            title: item.title.clone(),
            kind: kind_of(&item.body),
            html: None,
            file: None,
            captions: None,
            url: None,
            starts_at: None,
            attempts: None,
            attempts_left: None,
            submissions: None,
            progress: one_progress(&enrolment, &content, item, &all, now),
        };
        match &item.body {
            Body::Text { markdown } => view.html = Some(rendered(markdown)),
            Body::Assignment { markdown, .. } => {
                view.html = Some(rendered(markdown));
                let handed = store::attempts::submissions(&mut conn, enrolment.id, item.id).await?;
                view.submissions = Some(handed.iter().map(SubmissionView::from).collect());
            }
            Body::Quiz(quiz) => {
                let taken = store::attempts::of_item(&mut conn, enrolment.id, item.id).await?;
                let (course, student) = (enrolment.course_id, enrolment.student_id);
                let used = store::attempts::of_person(&mut conn, course, student, item.id).await?;
                let used = u16::try_from(used.len()).unwrap_or(u16::MAX);
                view.attempts_left = Some(quiz.attempts.saturating_sub(used));
                view.attempts = Some(taken.iter().map(|one| attempts::card(one, now)).collect());
            }
            Body::Live { starts_at, url } => {
                view.starts_at = Some(*starts_at);
                view.url = Some(url.clone());
            }
            Body::Video { file, captions } => {
                drop(conn);
                view.file = Some(self.inner.uploads.link(UploadId(*file)).await?);
                if let Some(captions) = captions {
                    view.captions = Some(self.inner.uploads.link(UploadId(*captions)).await?);
                }
            }
            Body::File { file } => {
                drop(conn);
                view.file = Some(self.inner.uploads.link(UploadId(*file)).await?);
            }
        }
        Ok(view)
    }
}
