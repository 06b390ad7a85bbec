//! Money: whole minor units (cents, yen) with an ISO 4217 currency. No arithmetic rounds or wraps.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The currencies that are taken: ISO 4217 code and how many digits its minor unit has. All of them
/// are settled by the payment providers in exactly these minor units.
const CURRENCIES: &[(&str, u8)] = &[
    ("AUD", 2),
    ("CAD", 2),
    ("CHF", 2),
    ("CZK", 2),
    ("DKK", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("INR", 2),
    ("JPY", 0),
    ("KRW", 0),
    ("MXN", 2),
    ("NOK", 2),
    ("NZD", 2),
    ("PLN", 2),
    ("RON", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("USD", 2),
    ("ZAR", 2),
];

/// The largest amount of one payment, in minor units; what a provider takes at most (eight digits).
pub const LARGEST_PAYMENT: i64 = 99_999_999;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The United States dollar.
    pub const USD: Self = Self(*b"USD");
    /// The yen, which has no minor unit of its own.
    pub const JPY: Self = Self(*b"JPY");

    /// The code, upper case.
    pub fn code(&self) -> &str {
        // Made of ASCII letters only.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many digits the minor unit has.
    pub fn digits(self) -> u8 {
        CURRENCIES.iter().find(|(code, _)| *code == self.code()).map_or(2, |(_, digits)| *digits)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Takes the code in either case.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        CURRENCIES
            .iter()
            .find(|(code, _)| code.eq_ignore_ascii_case(text))
            .and_then(|(code, _)| code.as_bytes().try_into().ok())
            .map(Self)
            .ok_or(MoneyError::UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(de)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What money cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency that is taken.
    #[error("is not a currency that is taken here; use an ISO 4217 code such as EUR")]
    UnknownCurrency,
    /// Two currencies were mixed.
    #[error("the amounts are in different currencies")]
    CurrencyMismatch,
    /// The result does not fit.
    #[error("the amount is too large")]
    Overflow,
    /// A part would be negative, or more than the whole.
    #[error("the parts do not make up the whole")]
    BadSplit,
}

/// An amount: `{"amount_minor": 12500, "currency": "EUR"}` is €125.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// In minor units of the currency.
    #[schema(example = 12500)]
    pub amount_minor: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: Currency,
}

/// A share in hundredths of a percent: 1,000 is 10 %. Never over 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// `None` over 100 %.
    pub const fn new(points: u16) -> Option<Self> {
        if points <= Self::WHOLE.0 { Some(Self(points)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Money {
    /// So many minor units.
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// Nothing, in that currency.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Whether it is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.amount_minor == 0
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.amount_minor > 0
    }

    /// The sum.
    ///
    /// # Errors
    /// On different currencies, and past 63 bits.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let sum = self.amount_minor.checked_add(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(sum, self.currency))
    }

    /// The difference, which may be negative.
    ///
    /// # Errors
    /// On different currencies, and past 63 bits.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let left = self.amount_minor.checked_sub(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(left, self.currency))
    }

    /// The opposite amount.
    ///
    /// # Errors
    /// For the one number that has no opposite.
    pub fn negated(self) -> Result<Self, MoneyError> {
        let amount = self.amount_minor.checked_neg().ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }

    /// Takes a share off: `(share, rest)`, which sum to the whole exactly. The share is rounded down,
    /// so what does not divide stays with the rest.
    ///
    /// # Errors
    /// On a negative amount.
    pub fn take(self, share: BasisPoints) -> Result<(Self, Self), MoneyError> {
        if self.amount_minor < 0 {
            return Err(MoneyError::BadSplit);
        }
        let part = i128::from(self.amount_minor) * i128::from(share.0) / i128::from(BasisPoints::WHOLE.0);
        // Not more than the whole, which fitted.
        let part = i64::try_from(part).map_err(|_| MoneyError::Overflow)?;
        let share = Self::new(part, self.currency);
        Ok((share, self.minus(share)?))
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::CurrencyMismatch) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.currency.digits());
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let unsigned = self.amount_minor.unsigned_abs();
        let unit = 10_u64.pow(u32::from(self.currency.digits()));
        if digits == 0 {
            write!(f, "{sign}{unsigned} {}", self.currency)
        } else {
            write!(f, "{sign}{}.{:0digits$} {}", unsigned / unit, unsigned % unit, self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_share_and_its_rest_are_the_whole(amount in 0..=i64::MAX, points in 0_u16..=10_000) {
            let money = Money::new(amount, Currency::EUR);
            let (share, rest) = money.take(BasisPoints::new(points).unwrap()).unwrap();
            prop_assert_eq!(share.plus(rest), Ok(money));
            prop_assert!(share.amount_minor >= 0 && rest.amount_minor >= 0);
        }

        #[test]
        fn nothing_wraps(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (Money::new(a, Currency::USD), Money::new(b, Currency::USD));
            prop_assert_eq!(x.plus(y).ok().map(|m| i128::from(m.amount_minor)),
                Some(i128::from(a) + i128::from(b)).filter(|s| i64::try_from(*s).is_ok()));
            prop_assert_eq!(x.minus(y).ok().map(|m| i128::from(m.amount_minor)),
                Some(i128::from(a) - i128::from(b)).filter(|s| i64::try_from(*s).is_ok()));
        }
    }

    #[test]
    fn currencies_do_not_mix_and_unknown_ones_are_refused() {
        let (euro, yen) = (Money::new(1, Currency::EUR), Money::new(1, Currency::JPY));
        assert_eq!(euro.plus(yen), Err(MoneyError::CurrencyMismatch));
        assert_eq!("eur".parse(), Ok(Currency::EUR));
        for unknown in ["", "EU", "EURO", "XXX", "€"] {
            assert_eq!(unknown.parse::<Currency>(), Err(MoneyError::UnknownCurrency), "{unknown}");
        }
        assert!(serde_json::from_str::<Money>(r#"{"amount_minor":1.5,"currency":"EUR"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount_minor":1,"currency":"BTC"}"#).is_err());
        let text = r#"{"amount_minor":12500,"currency":"EUR"}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Money>(text).unwrap()).unwrap(), text);
    }

    #[test]
    fn an_amount_is_shown_in_its_currency_s_digits() {
        assert_eq!(Money::new(12_505, Currency::EUR).to_string(), "125.05 EUR");
        assert_eq!(Money::new(-5, Currency::EUR).to_string(), "-0.05 EUR");
        assert_eq!(Money::new(700, Currency::JPY).to_string(), "700 JPY");
        assert_eq!(Money::new(i64::MIN, Currency::JPY).to_string(), "-9223372036854775808 JPY");
    }
}
