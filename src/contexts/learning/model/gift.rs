//! Moodle's GIFT, read and written (Moodle documentation, "GIFT format"). What it can say and we cannot is
//! reported by name, never dropped in silence.

use super::quiz::{Kind, Pair, Question};

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The questions.
    pub questions: Vec<Question>,
    /// What could not be taken: the line where its question begins, and why.
    pub refused: Vec<(usize, String)>,
}

/// Reads a file.
pub fn parse(text: &str) -> Imported {
    let mut imported = Imported::default();
    for (line, block) in blocks(text) {
        match question(&block) {
            Ok(Some(question)) => match question.flaws().into_iter().next() {
                None => imported.questions.push(question),
                Some((at, said)) => imported.refused.push((line, format!("{at} {said}"))),
            },
            Ok(None) => {}
            Err(said) => imported.refused.push((line, said)),
        }
    }
    imported
}

/// Questions are parted by empty lines; lines that begin with `//` are comments.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut block: Option<(usize, String)> = None;
    let text = text.trim_start_matches('\u{feff}');
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        if line.trim().is_empty() {
            blocks.extend(block.take());
            continue;
        }
        let (_, body) = block.get_or_insert((n + 1, String::new()));
        body.push_str(line);
        body.push('\n');
    }
    blocks.extend(block);
    blocks
}

/// A character, and whether it was escaped: then it means itself.
type Char = (char, bool);

fn chars(text: &str) -> Vec<Char> {
    let mut out = Vec::new();
    let mut all = text.chars().peekable();
    while let Some(c) = all.next() {
        match (c, all.peek()) {
            ('\\', Some('n')) => {
                all.next();
                out.push(('\n', true));
            }
            ('\\', Some(next)) if "~=#{}:\\".contains(*next) => {
                out.push((*next, true));
                all.next();
            }
            _ => out.push((c, false)),
        }
    }
    out
}

fn plain(chars: &[Char]) -> String {
    chars.iter().map(|(c, _)| c).collect::<String>().trim().to_owned()
}

/// How many blanks a text begins with.
fn blanks(chars: &[Char]) -> usize {
    chars.iter().take_while(|(c, _)| c.is_whitespace()).count()
}

fn find(chars: &[Char], wanted: char) -> Option<usize> {
    chars.iter().position(|(c, escaped)| *c == wanted && !escaped)
}

fn question(block: &str) -> Result<Option<Question>, String> {
    let mut all = chars(block);
    let first = plain(&all);
    if first.starts_with("$CATEGORY") {
        return Err("$CATEGORY: banks have no categories".to_owned());
    }
    let mut title = String::new();
    all.drain(..blanks(&all));
    if all.starts_with(&[(':', false), (':', false)]) {
        let rest = &all[2..];
        let end = rest
            .windows(2)
            .position(|two| two == [(':', false), (':', false)])
            .ok_or("the title does not end")?;
        title = plain(&rest[..end]);
        all = rest[end + 2..].to_vec();
    }
    let open = find(&all, '{').ok_or("it has no answers in braces: a description")?;
    let close = all.iter().rposition(|(c, escaped)| *c == '}' && !escaped).ok_or("a brace does not close")?;
    if close < open {
        return Err("a brace does not close".to_owned());
    }
    let (before, inside, after) = (&all[..open], &all[open + 1..close], &all[close + 1..]);
    if find(inside, '{').is_some() || find(after, '{').is_some() {
        return Err("several answers in one text".to_owned());
    }
    let mut prompt = format_of(plain(before))?;
    let tail = plain(after);
    if !tail.is_empty() {
        prompt = format!("{prompt} _____ {tail}").trim().to_owned();
    }
    let (kind, feedback) = kind(inside)?;
    Ok(Some(Question { title, prompt, points: 1, feedback, kind }))
}

/// A text may tell its format.
fn format_of(text: String) -> Result<String, String> {
    for (mark, fits) in [("[html]", false), ("[moodle]", true), ("[plain]", true), ("[markdown]", true)] {
        if let Some(rest) = text.strip_prefix(mark) {
            // Tags would be shown as text: better to say so than to ask something unreadable.
            if !fits && rest.contains('<') && rest.contains('>') {
                return Err("[html] text with tags".to_owned());
            }
            return Ok(rest.trim().to_owned());
        }
    }
    Ok(text)
}

/// One answer of a list.
struct Choice {
    right: bool,
    weight: Option<f64>,
    text: Vec<Char>,
    feedback: String,
}

fn kind(inside: &[Char]) -> Result<(Kind, String), String> {
    let (inside, feedback) = general_feedback(inside);
    let text = plain(&inside);
    if text.is_empty() {
        return Ok((Kind::Essay {}, feedback));
    }
    if text.starts_with('#') && inside.iter().find(|(c, _)| !c.is_whitespace()) == Some(&('#', false)) {
        return Ok((numeric(&inside)?, feedback));
    }
    let verdict = text.split('#').next().unwrap_or_default().trim().to_ascii_uppercase();
    if matches!(verdict.as_str(), "T" | "TRUE" | "F" | "FALSE") {
        let correct = usize::from(verdict.starts_with('F'));
        let said = text.split('#').map(str::trim).filter(|part| !part.is_empty()).skip(1);
        let feedback = said.map(str::to_owned).chain([feedback].into_iter().filter(|one| !one.is_empty()));
        let feedback = feedback.collect::<Vec<_>>().join("\n\n");
        return Ok((Kind::Single { choices: vec!["True".into(), "False".into()], correct }, feedback));
    }
    let choices = choices(&inside)?;
    if choices.iter().any(|one| !one.feedback.is_empty()) {
        // Kept where there is a place for it: each choice's own feedback has none.
        return with_feedback(choices, feedback);
    }
    Ok((listed(choices)?, feedback))
}

fn with_feedback(choices: Vec<Choice>, general: String) -> Result<(Kind, String), String> {
    let mut lines: Vec<String> = (!general.is_empty()).then_some(general).into_iter().collect();
    for one in choices.iter().filter(|one| !one.feedback.is_empty()) {
        lines.push(format!("{}: {}", plain(&one.text), one.feedback));
    }
    Ok((listed(choices)?, lines.join("\n\n")))
}

fn general_feedback(inside: &[Char]) -> (Vec<Char>, String) {
    let four = inside.windows(4).position(|four| four.iter().all(|c| *c == ('#', false)));
    match four {
        Some(at) => (inside[..at].to_vec(), plain(&inside[at + 4..])),
        None => (inside.to_vec(), String::new()),
    }
}

fn choices(inside: &[Char]) -> Result<Vec<Choice>, String> {
    let mut starts: Vec<usize> = Vec::new();
    for (n, (c, escaped)) in inside.iter().enumerate() {
        // The `=` of `->` partners and of texts is escaped by whoever writes GIFT.
        if !escaped && matches!(c, '=' | '~') {
            starts.push(n);
        }
    }
    if starts.is_empty() {
        return Err("the answers begin with neither = nor ~".to_owned());
    }
    let ends = starts.iter().skip(1).copied().chain([inside.len()]);
    let mut all = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        let right = inside[*start].0 == '=';
        let body = &inside[start + 1..end];
        let (body, feedback) = match find(body, '#') {
            Some(at) => (&body[..at], plain(&body[at + 1..])),
            None => (body, String::new()),
        };
        let mut text: Vec<Char> = body.to_vec();
        text.drain(..blanks(&text));
        let mut weight = None;
        if text.first() == Some(&('%', false))
            && let Some(end) = text.iter().skip(1).position(|(c, _)| *c == '%')
        {
            let number = plain(&text[1..=end]);
            weight = Some(number.parse().map_err(|_| format!("%{number}% is no weight"))?);
            text.drain(..end + 2);
        }
        all.push(Choice { right, weight, text, feedback });
    }
    Ok(all)
}

fn listed(choices: Vec<Choice>) -> Result<Kind, String> {
    let arrow = |one: &Choice| one.text.windows(2).position(|two| two == [('-', false), ('>', false)]);
    if choices.iter().all(|one| one.right && arrow(one).is_some()) {
        let mut pairs = Vec::new();
        let mut distractors = Vec::new();
        for one in &choices {
            let Some(at) = arrow(one) else { continue };
            let (left, right) = (plain(&one.text[..at]), plain(&one.text[at + 2..]));
            if left.is_empty() {
                distractors.push(right);
            } else {
                pairs.push(Pair { left, right });
            }
        }
        return Ok(Kind::Matching { pairs, distractors });
    }
    let texts: Vec<String> = choices.iter().map(|one| plain(&one.text)).collect();
    if choices.iter().all(|one| one.right) {
        if choices.iter().any(|one| one.weight.is_some_and(|weight| weight < 100.0)) {
            return Err("short answers worth a part of the points".to_owned());
        }
        if texts.iter().any(|text| text.contains('*')) {
            return Err("short answers with the wildcard *".to_owned());
        }
        return Ok(Kind::Short { accepted: texts, case_sensitive: false });
    }
    let right: Vec<usize> = (0..choices.len()).filter(|n| choices[*n].right).collect();
    match right.as_slice() {
        [correct] if choices.iter().all(|one| one.right || one.weight.is_none_or(|weight| weight <= 0.0)) => {
            Ok(Kind::Single { choices: texts, correct: *correct })
        }
        [] => {
            let weight = |n: &usize| choices[*n].weight.unwrap_or(0.0);
            let correct: Vec<usize> = (0..choices.len()).filter(|n| weight(n) > 0.0).collect();
            let alike = correct.windows(2).all(|two| (weight(&two[0]) - weight(&two[1])).abs() < 0.01);
            if correct.is_empty() {
                return Err("no answer is right".to_owned());
            }
            if !alike {
                return Err("choices of different weight".to_owned());
            }
            Ok(Kind::Multiple { choices: texts, correct })
        }
        _ => Err("a choice with a part of the points".to_owned()),
    }
}

fn numeric(inside: &[Char]) -> Result<Kind, String> {
    let at = find(inside, '#').unwrap_or(0);
    let rest = &inside[at + 1..];
    let text = plain(rest);
    let text = text.strip_prefix('=').unwrap_or(&text);
    if text.contains('=') || text.contains('~') {
        return Err("several numbers with weights".to_owned());
    }
    let text = text.split('#').next().unwrap_or_default().trim();
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("{text:?} is no number"));
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(low)?, number(high)?);
        return Ok(Kind::Numeric { value: f64::midpoint(low, high), tolerance: (high - low).abs() / 2.0 });
    }
    match text.split_once(':') {
        Some((value, tolerance)) => {
            Ok(Kind::Numeric { value: number(value)?, tolerance: number(tolerance)? })
        }
        None => Ok(Kind::Numeric { value: number(text)?, tolerance: 0.0 }),
    }
}

/// Writes questions; those that GIFT cannot say are named in the second part.
pub fn write(questions: &[Question]) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut refused = Vec::new();
    for question in questions {
        let answers = match answers(&question.kind) {
            Some(answers) => answers,
            None => {
                let name = if question.title.is_empty() { &question.prompt } else { &question.title };
                refused.push(format!("GIFT has no ordering questions: {name}"));
                continue;
            }
        };
        if !question.title.is_empty() {
            out.push_str(&format!("::{}::", escaped(&question.title)));
        }
        let feedback = match question.feedback.trim() {
            "" => String::new(),
            text => format!(" ####{}", escaped(text)),
        };
        out.push_str(&format!("[markdown]{} {{{answers}{feedback}}}\n\n", escaped(&question.prompt)));
    }
    (out, refused)
}

fn answers(kind: &Kind) -> Option<String> {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(" ");
    Some(match kind {
        Kind::Single { choices, correct } => list(
            &mut choices
                .iter()
                .enumerate()
                .map(|(n, text)| format!("{}{}", if n == *correct { '=' } else { '~' }, escaped(text))),
        ),
        Kind::Multiple { choices, correct } => list(&mut choices.iter().enumerate().map(|(n, text)| {
            let weight = 100.0 / correct.len().max(1) as f64;
            let sign = if correct.contains(&n) { weight } else { -weight };
            format!("~%{sign:.5}%{}", escaped(text))
        })),
        Kind::Matching { pairs, distractors } => {
            let pairs =
                pairs.iter().map(|pair| format!("={} -> {}", escaped(&pair.left), escaped(&pair.right)));
            list(&mut pairs.chain(distractors.iter().map(|text| format!("= -> {}", escaped(text)))))
        }
        Kind::Numeric { value, tolerance } => format!("#{value}:{tolerance}"),
        Kind::Short { accepted, .. } => list(&mut accepted.iter().map(|text| format!("={}", escaped(text)))),
        Kind::Essay {} => String::new(),
        Kind::Ordering { .. } => return None,
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '~' | '=' | '#' | '{' | '}' | ':' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}
