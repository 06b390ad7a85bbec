// Amounts: whole minor units with a currency, as the API has them, and as people write them.

const formats = new Map();

function format(currency) {
  if (!formats.has(currency)) formats.set(currency, new Intl.NumberFormat(undefined, { style: "currency", currency }));
  return formats.get(currency);
}

/** Decimal places of a currency: 2 of the euro, 0 of the yen. */
export const places = (currency) => format(currency).resolvedOptions().maximumFractionDigits;

/** `€125.00` of `{amount_minor: 12500, currency: "EUR"}`. */
export const money = ({ amount_minor, currency }) => format(currency).format(amount_minor / 10 ** places(currency));

/** Minor units of what somebody typed ("1 250,5"), or null. */
export function parseAmount(text, currency) {
  const clean = String(text).trim().replace(/[\s'’]/g, "").replace(/,(?=\d{1,2}$)/, ".").replace(/,/g, "");
  if (!/^\d+(\.\d+)?$/.test(clean)) return null;
  const [whole, part = ""] = clean.split(".");
  const digits = places(currency);
  if (part.length > digits) return null;
  const minor = Number(whole + part.padEnd(digits, "0"));
  return Number.isSafeInteger(minor) && minor > 0 ? minor : null;
}

/** What a gig pays, in a line. */
export function budget({ kind, amount_minor, max_amount_minor, currency }) {
  const least = money({ amount_minor, currency });
  const sum = max_amount_minor ? `${least} – ${money({ amount_minor: max_amount_minor, currency })}` : least;
  return kind === "hourly" ? `${sum} an hour` : sum;
}
