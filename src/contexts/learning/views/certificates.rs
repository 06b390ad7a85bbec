//! What is shown of certificates.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contexts::learning::model::{CertificateId, CertificateState, CourseId},
    principal::UserId,
};

/// A certificate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CertificateView {
    /// Its id.
    pub id: CertificateId,
    /// The course.
    pub course_id: CourseId,
    /// What it was called then.
    pub course_title: String,
    /// Who completed it.
    pub student_id: UserId,
    /// What they were called then.
    pub learner_name: String,
    /// Where it is.
    pub state: CertificateState,
    /// The Open Badges 3.0 credential: a JWT (VC-JOSE-COSE), signed with Ed25519.
    pub credential: String,
    /// Where anybody can verify it.
    pub verify_url: String,
    /// The same to print.
    pub document: DocumentView,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// A certificate as a document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// Where it is: a PDF.
    pub url: String,
    /// SHA-256 of its bytes, in hexadecimal; none until it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// What a verification came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VerifyView {
    /// Whether it is good now.
    pub valid: bool,
    /// `issued` or `revoked`.
    pub state: CertificateState,
    /// Whether the signature is the issuer's, over these very bytes.
    pub signature_valid: bool,
    /// The certificate.
    pub certificate: CertificateView,
}
