//! Message encryption for Web Push (RFC 8291) in the `aes128gcm` content coding (RFC 8188), by `ring`.

use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    rand::{SecureRandom, SystemRandom},
};

/// An uncompressed point of P-256.
pub const PUBLIC_KEY_BYTES: usize = 65;
/// The secret that a browser shares with whoever may send to it.
pub const AUTH_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
/// The record size in the header; there is one record.
const RECORD: u32 = 4_096;
/// Texts are filled up to a multiple of this, so that their length tells little.
const FILLED: usize = 128;

/// The length of what is derived.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    prk.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}

/// The content-encryption key and the nonce (RFC 8291 §3.4).
fn derive(
    shared: &[u8],
    browser: &[u8],
    ours: &[u8],
    auth: &[u8],
    salt: &[u8],
) -> Result<([u8; 16], [u8; 12]), Unspecified> {
    let prk = Salt::new(HKDF_SHA256, auth).extract(shared);
    let ikm: [u8; 32] = expand(&prk, &[b"WebPush: info\0", browser, ours])?;
    let prk = Salt::new(HKDF_SHA256, salt).extract(&ikm);
    Ok((expand(&prk, &[b"Content-Encoding: aes128gcm\0"])?, expand(&prk, &[b"Content-Encoding: nonce\0"])?))
}

/// Header and the one record (RFC 8188 §2).
fn seal(
    text: &[u8],
    filled: usize,
    (key, nonce): ([u8; 16], [u8; 12]),
    ours: &[u8],
    salt: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut record = Vec::with_capacity(filled + 1 + AES_128_GCM.tag_len());
    record.extend_from_slice(text);
    // The delimiter of the last record, then zeros.
    record.push(2);
    record.resize(record.len().max(filled + 1), 0);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)?;
    let mut out = Vec::with_capacity(SALT_BYTES + 5 + ours.len() + record.len());
    out.extend_from_slice(salt);
    out.extend_from_slice(&RECORD.to_be_bytes());
    out.push(u8::try_from(ours.len()).map_err(|_| Unspecified)?);
    out.extend_from_slice(ours);
    out.append(&mut record);
    Ok(out)
}

/// A message's body for the browser with that public key and secret. A new key of ours for each.
///
/// # Errors
/// When the browser's key is no point of the curve.
pub(super) fn encrypt(browser: &[u8], auth: &[u8], text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let random = SystemRandom::new();
    let private = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let ours = private.compute_public_key()?;
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt)?;
    let key = agree_ephemeral(private, &UnparsedPublicKey::new(&ECDH_P256, browser), |shared| {
        derive(shared, browser, ours.as_ref(), auth, &salt)
    })??;
    let filled = text.len().div_ceil(FILLED).max(1) * FILLED;
    seal(text, filled, key, ours.as_ref(), &salt)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_standard() {
        let browser =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let ours =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let (auth, salt) = (bytes("BTBZMqHH6r4Tts7J_aSIgg"), bytes("DGv6ra1nlYgDCS1FRnbzlw"));
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let key = derive(&shared, &browser, &ours, &auth, &salt).unwrap();
        assert_eq!(key.0.as_slice(), bytes("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(key.1.as_slice(), bytes("4h_95klXJ5E_qnoN"));
        let sealed = seal(b"When I grow up, I want to be a watermelon", 0, key, &ours, &salt).unwrap();
        let wanted = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc\
                      InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLV\
                      WGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), wanted);
    }

    #[test]
    fn lengths_tell_little_and_bad_keys_are_refused() {
        let browser =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let sealed = |text: &[u8]| encrypt(&browser, &[7; 16], text).unwrap();
        let (short, long) = (sealed(b"x"), sealed(&[b'x'; 100]));
        assert_eq!(short.len(), long.len());
        assert_ne!(short[..16], long[..16], "a salt of its own");
        assert_ne!(short[21..86], long[21..86], "a key of its own");
        assert!(sealed(&[b'x'; super::super::Message::MOST]).len() <= 4_096);
        assert!(encrypt(&[4; 65], &[7; 16], b"x").is_err());
        assert!(encrypt(b"short", &[7; 16], b"x").is_err());
    }
}
