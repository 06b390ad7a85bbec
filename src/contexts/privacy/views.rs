//! What callers are shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Erasure, Export, ExportId, ExportState, Part, Receipt};
use crate::{events::Standing, principal::UserId};

/// An archive of everything that is known of one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExportView {
    /// Its id.
    pub id: ExportId,
    /// Where it is.
    pub state: ExportState,
    /// What each context did for it, in the order of their names.
    pub parts: Vec<PartView>,
    /// In bytes, once it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Until when it can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// One context's part of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ArchivePart)]
pub struct PartView {
    /// The context.
    pub context: String,
    /// `waiting`, `retrying` after a failure, `failed` until an operator looks into it, `done`.
    pub state: &'static str,
    /// How many documents it gave.
    pub documents: i32,
    /// How many files.
    pub files: i32,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// What was forgotten of somebody, and by whom.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErasureView {
    /// Whom.
    pub user_id: UserId,
    /// Since when.
    pub requested_at: DateTime<Utc>,
    /// When everybody had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// What each context answered, in the order of their names.
    pub receipts: Vec<ReceiptView>,
}

/// What one context answered.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReceiptView {
    /// The context.
    pub context: String,
    /// `waiting`, `retrying` after a failure, `failed` until an operator looks into it, `working`, `done`.
    pub state: &'static str,
    /// What went, by sort, and how much of it.
    pub counts: BTreeMap<String, u64>,
    /// What stays under the bare id, and why.
    pub kept: Vec<String>,
    /// When it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// An erasure that is not complete, for operators.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenErasureView {
    /// What the person sees.
    #[serde(flatten)]
    pub erasure: ErasureView,
    /// What failed, by consumer: replayed by `gigsy events replay` if it is dead.
    pub errors: BTreeMap<String, String>,
}

/// How a context stands that has not answered.
pub(super) fn waiting(standing: Option<&Standing>) -> &'static str {
    match standing {
        Some(standing) if standing.dead => "failed",
        Some(standing) if standing.attempts > 0 => "retrying",
        _ => "waiting",
    }
}

impl ReceiptView {
    pub(super) fn of(receipt: &Receipt) -> Self {
        Self {
            context: receipt.context.clone(),
            state: if receipt.done { "done" } else { "working" },
            counts: serde_json::from_value(receipt.counts.clone()).unwrap_or_default(),
            kept: receipt.kept.clone(),
            at: Some(receipt.at),
        }
    }
}

impl ErasureView {
    pub(super) fn of(
        erasure: &Erasure,
        receipts: &[Receipt],
        standing: impl Fn(&str) -> &'static str,
    ) -> Self {
        let mut contexts = erasure.contexts.clone();
        contexts.sort();
        let answer = |context: String| match receipts.iter().find(|one| one.context == context) {
            Some(receipt) => ReceiptView::of(receipt),
            None => ReceiptView {
                state: standing(&context),
                counts: BTreeMap::new(),
                kept: Vec::new(),
                at: None,
                context,
            },
        };
        Self {
            user_id: erasure.user_id,
            requested_at: erasure.requested_at,
            completed_at: erasure.completed_at,
            receipts: contexts.into_iter().map(answer).collect(),
        }
    }
}

impl ExportView {
    pub(super) fn of(export: &Export, parts: &[Part], standing: impl Fn(&str) -> &'static str) -> Self {
        let mut contexts = export.contexts.clone();
        contexts.sort();
        let part = |context: String| match parts.iter().find(|one| one.context == context) {
            Some(part) => PartView {
                context,
                state: "done",
                documents: part.documents,
                files: part.files,
                at: Some(part.at),
            },
            None => PartView { state: standing(&context), documents: 0, files: 0, at: None, context },
        };
        Self {
            id: export.id,
            state: export.state,
            parts: contexts.into_iter().map(part).collect(),
            size: export.size,
            expires_at: export.expires_at,
            created_at: export.created_at,
            version: export.version,
        }
    }
}
