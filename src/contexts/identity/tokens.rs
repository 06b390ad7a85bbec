//! Opaque random tokens: the person holds the token, the store its SHA-256.
//!
//! A token has 256 random bits, so a plain hash is enough: there is nothing to guess.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::IdentityError;

const RANDOM_BYTES: usize = 32;

/// What a token is for; its prefix tells a scanner for leaked secrets what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Proves a session.
    Session,
    /// A link in a mail.
    Link,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "gs_",
            Self::Link => "gl_",
        }
    }
}

/// A token in clear. It prints as `Token(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What is stored of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// A fresh one.
    pub fn fresh(kind: TokenKind) -> Result<Self, IdentityError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(IdentityError::internal)?;
        Ok(Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random))))
    }

    /// The text that its holder gets; never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl TokenHash {
    /// The hash of a presented token, if it has the form of one of that kind.
    pub fn of(kind: TokenKind, text: &str) -> Option<Self> {
        let random = text.strip_prefix(kind.prefix())?;
        let fits = random.len() == 43
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        fits.then(|| Self(Sha256::digest(text.as_bytes()).into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fresh_token_is_recognised_by_its_own_kind_only() {
        let token = Token::fresh(TokenKind::Session).unwrap();
        assert_eq!(TokenHash::of(TokenKind::Session, token.reveal()), Some(token.hash()));
        assert_eq!(TokenHash::of(TokenKind::Link, token.reveal()), None);
        assert_ne!(token, Token::fresh(TokenKind::Session).unwrap());
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    proptest! {
        #[test]
        fn rubbish_is_not_hashed(text in "(gs_)?.{0,60}") {
            let _ = TokenHash::of(TokenKind::Session, &text);
            let padded = format!("gs_{text}");
            prop_assert!(text.len() == 43 || TokenHash::of(TokenKind::Session, &padded).is_none());
        }
    }
}
