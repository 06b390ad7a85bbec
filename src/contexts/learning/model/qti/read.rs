//! One item, read.

use super::{
    super::quiz::{Kind, Pair, Question},
    BLANK,
    xml::{self, Element, Node},
};

/// An item as it is being read.
struct Item<'a> {
    root: &'a Element,
    left_out: Vec<String>,
}

/// Reads an item; the question, and what was left out.
///
/// # Errors
/// Why it cannot be taken.
pub fn item(text: &str) -> Result<(Question, Vec<String>), String> {
    let root = xml::read(text)?;
    if root.name != "assessmentItem" {
        return Err(format!("<{}> is no assessmentItem of QTI 2.1", root.name));
    }
    if root.get("adaptive") == Some("true") {
        return Err("adaptive items".to_owned());
    }
    if let Some(template) = root.elements().find(|element| element.name.starts_with("template")) {
        return Err(format!("{}: items made from templates", template.name));
    }
    let mut item = Item { root: &root, left_out: Vec::new() };
    let question = item.question()?;
    item.left_out.sort();
    item.left_out.dedup();
    Ok((question, item.left_out))
}

impl Item<'_> {
    fn question(&mut self) -> Result<Question, String> {
        let body = self.root.named("itemBody").next().ok_or("it has no itemBody")?;
        let interactions: Vec<&Element> =
            body.all().into_iter().filter(|element| element.name.ends_with("Interaction")).collect();
        let [interaction] = interactions.as_slice() else {
            let names: Vec<&str> = interactions.iter().map(|one| one.name.as_str()).collect();
            return Err(match names.as_slice() {
                [] => "it asks nothing: no interaction".to_owned(),
                names => format!("several interactions in one item: {}", names.join(", ")),
            });
        };
        let kind = self.kind(interaction)?;
        let mut prompt = self.blocks(body)?;
        if let Some(asked) = interaction.named("prompt").next() {
            let asked = self.blocks(asked)?;
            prompt = if prompt.is_empty() { asked } else { format!("{prompt}\n\n{asked}") };
        }
        if matches!(kind, Kind::Short { .. } | Kind::Numeric { .. }) {
            // A field below the question is how such a question looks here anyway.
            let below = format!("\n\n{BLANK}");
            prompt = prompt.strip_suffix(&below).map_or(prompt.clone(), str::to_owned);
        }
        let title = self.root.get("title").unwrap_or_default().trim().to_owned();
        let title = if self.root.get("identifier") == Some(title.as_str()) { String::new() } else { title };
        for element in self.root.elements() {
            if !matches!(
                element.name.as_str(),
                "responseDeclaration"
                    | "outcomeDeclaration"
                    | "itemBody"
                    | "responseProcessing"
                    | "modalFeedback"
            ) {
                self.left_out.push(element.name.clone());
            }
        }
        let feedback = self.feedback()?;
        Ok(Question { title, prompt, points: self.points(), feedback, kind })
    }

    fn outcome(&self, identifier: &str) -> Option<&Element> {
        self.root.named("outcomeDeclaration").find(|one| one.get("identifier") == Some(identifier))
    }

    fn default_of(&self, identifier: &str) -> Option<String> {
        let values = self.outcome(identifier)?.named("defaultValue").next()?;
        values.named("value").next().map(Element::text)
    }

    fn points(&self) -> u16 {
        let declared = self.default_of("MAXSCORE");
        let normal = self.outcome("SCORE").and_then(|score| score.get("normalMaximum")).map(str::to_owned);
        let points = declared.or(normal).and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
        // Whole points from 1 on; anything else counts as one.
        if points.fract() == 0.0 && (1.0..=1000.0).contains(&points) { points as u16 } else { 1 }
    }

    /// Feedback that is always shown is ours; feedback on an answer has no place.
    fn feedback(&mut self) -> Result<String, String> {
        let mut kept = Vec::new();
        let all: Vec<&Element> = self.root.named("modalFeedback").collect();
        for one in all {
            let outcome = one.get("outcomeIdentifier").unwrap_or_default();
            if one.get("identifier").is_some_and(|id| self.default_of(outcome).as_deref() == Some(id)) {
                kept.push(self.blocks(one)?);
            } else {
                self.left_out.push("modalFeedback on an answer".to_owned());
            }
        }
        Ok(kept.join("\n\n"))
    }

    fn declaration(&self, interaction: &Element) -> Option<&Element> {
        let wanted = interaction.get("responseIdentifier")?;
        self.root.named("responseDeclaration").find(|one| one.get("identifier") == Some(wanted))
    }

    /// The values of the correct response; without one, those that are mapped to something.
    fn correct(&self, declaration: Option<&Element>) -> Vec<String> {
        let Some(declaration) = declaration else { return Vec::new() };
        let values: Vec<String> = declaration
            .named("correctResponse")
            .flat_map(|correct| correct.named("value"))
            .map(Element::text)
            .collect();
        if !values.is_empty() {
            return values;
        }
        entries(declaration).filter(|(_, worth, _)| *worth > 0.0).map(|(key, ..)| key).collect()
    }

    fn kind(&mut self, interaction: &Element) -> Result<Kind, String> {
        let declaration = self.declaration(interaction).cloned();
        let correct = self.correct(declaration.as_ref());
        let template = self.root.named("responseProcessing").next();
        if template.is_some_and(|one| one.get("template").is_none() && one.elements().next().is_some())
            && interaction.name != "textEntryInteraction"
        {
            self.left_out.push("responseProcessing of its own".to_owned());
        }
        match interaction.name.as_str() {
            "choiceInteraction" => self.choices(interaction, "simpleChoice", declaration.as_ref(), &correct),
            "inlineChoiceInteraction" => {
                self.choices(interaction, "inlineChoice", declaration.as_ref(), &correct)
            }
            "orderInteraction" => self.order(interaction, &correct),
            "matchInteraction" => self.matching(interaction, declaration.as_ref(), &correct),
            "textEntryInteraction" => self.entry(declaration.as_ref(), &correct),
            "extendedTextInteraction" => {
                if !correct.is_empty() {
                    self.left_out.push("correctResponse of a text that a person grades".to_owned());
                }
                Ok(Kind::Essay {})
            }
            other => Err(format!("{other} has no like here")),
        }
    }

    /// Identifiers and texts of choices.
    fn listed(&mut self, within: &Element, name: &str) -> Result<Vec<(String, String)>, String> {
        let mut all = Vec::new();
        let choices: Vec<&Element> = within.named(name).collect();
        for choice in choices {
            if choice.get("fixed") == Some("true") {
                self.left_out.push("fixed places of choices".to_owned());
            }
            let id = choice.get("identifier").unwrap_or_default().to_owned();
            all.push((id, self.blocks(choice)?));
        }
        Ok(all)
    }

    fn choices(
        &mut self,
        interaction: &Element,
        name: &str,
        declaration: Option<&Element>,
        correct: &[String],
    ) -> Result<Kind, String> {
        let listed = self.listed(interaction, name)?;
        if correct.is_empty() {
            return Err("no answer is right".to_owned());
        }
        self.partial(declaration, correct);
        let mut right = Vec::new();
        for id in correct {
            let at = listed.iter().position(|(own, _)| own == id);
            right.push(at.ok_or_else(|| format!("the right choice {id} is none of the choices"))?);
        }
        right.sort_unstable();
        right.dedup();
        let choices = listed.into_iter().map(|(_, text)| text).collect();
        let several = declaration.and_then(|one| one.get("cardinality")) == Some("multiple");
        match (several, right.as_slice()) {
            (false, [one]) => Ok(Kind::Single { choices, correct: *one }),
            (false, _) => Err("several right choices of which one is to be taken".to_owned()),
            (true, _) => Ok(Kind::Multiple { choices, correct: right }),
        }
    }

    /// Says so where an answer is worth a part of the points.
    fn partial(&mut self, declaration: Option<&Element>, correct: &[String]) {
        let Some(declaration) = declaration else { return };
        let worth: Vec<f64> = entries(declaration)
            .filter(|(key, ..)| correct.contains(key))
            .map(|(_, worth, _)| worth)
            .collect();
        let uneven = worth.windows(2).any(|two| (two[0] - two[1]).abs() > 1e-9);
        let others = entries(declaration).any(|(key, worth, _)| worth != 0.0 && !correct.contains(&key));
        if uneven || others {
            self.left_out.push("mapping: different points for different answers".to_owned());
        }
    }

    fn order(&mut self, interaction: &Element, correct: &[String]) -> Result<Kind, String> {
        let listed = self.listed(interaction, "simpleChoice")?;
        if listed.len() != correct.len() {
            return Err("orderInteraction of which only some are to be ordered".to_owned());
        }
        let text = |id: &String| listed.iter().find(|(own, _)| own == id).map(|(_, text)| text.clone());
        let items: Option<Vec<String>> = correct.iter().map(text).collect();
        Ok(Kind::Ordering { items: items.ok_or("the right order names what is not there")? })
    }

    fn matching(
        &mut self,
        interaction: &Element,
        declaration: Option<&Element>,
        correct: &[String],
    ) -> Result<Kind, String> {
        let sets: Vec<&Element> = interaction.named("simpleMatchSet").collect();
        let [left, right] = sets.as_slice() else {
            return Err("matchInteraction without two sets".to_owned());
        };
        let left = self.listed(left, "simpleAssociableChoice")?;
        let right = self.listed(right, "simpleAssociableChoice")?;
        self.partial(declaration, correct);
        let known: Vec<(&str, &str)> =
            correct.iter().filter_map(|pair| pair.split_once(char::is_whitespace)).collect();
        let mut pairs = Vec::new();
        for (id, text) in &left {
            let partners: Vec<&str> =
                known.iter().filter(|(from, _)| from == id).map(|(_, to)| to.trim()).collect();
            let [partner] = partners.as_slice() else {
                return Err("matchInteraction with rows that have none or several partners".to_owned());
            };
            let found = right.iter().find(|(own, _)| own == partner);
            let (_, partner) = found.ok_or("the right pairs name what is not there")?;
            pairs.push(Pair { left: text.clone(), right: partner.clone() });
        }
        let used = |id: &str| known.iter().any(|(_, to)| to.trim() == id);
        let distractors = right.iter().filter(|(id, _)| !used(id)).map(|(_, text)| text.clone()).collect();
        Ok(Kind::Matching { pairs, distractors })
    }

    fn entry(&mut self, declaration: Option<&Element>, correct: &[String]) -> Result<Kind, String> {
        let Some(first) = correct.first() else {
            return Err("no answer is right".to_owned());
        };
        let base = declaration.and_then(|one| one.get("baseType")).unwrap_or("string");
        let processing = self.root.named("responseProcessing").next();
        if matches!(base, "float" | "integer") {
            if correct.len() > 1 {
                return Err("several numbers are right".to_owned());
            }
            let value: f64 = first.parse().map_err(|_| format!("{first:?} is no number"))?;
            return Ok(Kind::Numeric { value, tolerance: tolerance(processing, value)? });
        }
        if base != "string" {
            return Err(format!("textEntryInteraction of baseType {base}"));
        }
        if processing.is_some_and(|one| one.all().iter().any(|inner| inner.name == "patternMatch")) {
            return Err("patternMatch: regular expressions".to_owned());
        }
        let all: Vec<(String, f64, bool)> = declaration.map(|one| entries(one).collect()).unwrap_or_default();
        let most = all.iter().map(|(_, worth, _)| *worth).fold(0.0, f64::max);
        let mut accepted = correct.to_vec();
        for (key, worth, _) in &all {
            if *worth > 0.0 && (*worth - most).abs() < 1e-9 {
                if !accepted.contains(key) {
                    accepted.push(key.clone());
                }
            } else if *worth != 0.0 {
                self.left_out.push(format!("mapEntry {key}: a part of the points"));
            }
        }
        // Case counts by the standard's default, unless the item says that it does not.
        let folded = processing.is_some_and(|one| {
            one.all()
                .iter()
                .any(|inner| inner.name == "stringMatch" && inner.get("caseSensitive") == Some("false"))
        });
        let insensitive = folded || (!all.is_empty() && all.iter().all(|(.., sensitive)| !sensitive));
        Ok(Kind::Short { accepted, case_sensitive: !insensitive })
    }

    /// Text of an element in blocks, with its interaction as a blank.
    fn blocks(&mut self, element: &Element) -> Result<String, String> {
        let mut out = Flow::default();
        self.flow(element, &mut out)?;
        Ok(out.done())
    }

    fn flow(&mut self, element: &Element, out: &mut Flow) -> Result<(), String> {
        for node in &element.children {
            let inner = match node {
                Node::Text(text) => {
                    out.text(text);
                    continue;
                }
                Node::Element(inner) => inner,
            };
            match inner.name.as_str() {
                "prompt" => {}
                "textEntryInteraction" | "inlineChoiceInteraction" => out.text(BLANK),
                name if name.ends_with("Interaction") => out.block(),
                "br" => out.line(),
                "p" | "div" | "blockquote" | "ul" | "ol" | "dl" | "pre" | "h1" | "h2" | "h3" | "h4"
                | "h5" | "h6" | "address" => {
                    out.block();
                    self.flow(inner, out)?;
                    out.block();
                }
                "li" | "dt" | "dd" => {
                    out.line();
                    out.text("- ");
                    self.flow(inner, out)?;
                    out.line();
                }
                "em" | "i" | "strong" | "b" => {
                    let mark = if matches!(inner.name.as_str(), "em" | "i") { "*" } else { "**" };
                    let text = inner.text();
                    if inner.all().iter().any(|one| !PLAIN.contains(&one.name.as_str())) {
                        self.flow(inner, out)?;
                    } else if !text.is_empty() {
                        out.text(&format!("{mark}{text}{mark}"));
                    }
                }
                "rubricBlock" | "feedbackInline" | "feedbackBlock" | "stylesheet" => {
                    self.left_out.push(inner.name.clone());
                }
                name if PLAIN.contains(&name) => self.flow(inner, out)?,
                name => return Err(format!("<{name}> in a text")),
            }
        }
        Ok(())
    }
}

/// Elements whose text says what they say.
const PLAIN: &[&str] = &[
    "span", "a", "q", "cite", "code", "kbd", "samp", "var", "abbr", "acronym", "dfn", "small", "big", "tt",
    "em", "i", "strong", "b", "sub", "sup",
];

/// Keys of a mapping, what they are worth, and whether their case counts.
fn entries(declaration: &Element) -> impl Iterator<Item = (String, f64, bool)> + '_ {
    declaration.named("mapping").flat_map(|mapping| mapping.named("mapEntry")).map(|entry| {
        let worth = entry.get("mappedValue").and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let sensitive = entry.get("caseSensitive") != Some("false");
        let key: Vec<&str> = entry.get("mapKey").unwrap_or_default().split_whitespace().collect();
        (key.join(" "), worth, sensitive)
    })
}

/// How far off a number may be (`equal`, `equalRounded` of response processing).
fn tolerance(processing: Option<&Element>, value: f64) -> Result<f64, String> {
    let Some(processing) = processing else { return Ok(0.0) };
    if processing.all().iter().any(|one| one.name == "equalRounded") {
        return Err("equalRounded".to_owned());
    }
    let Some(equal) = processing.all().into_iter().find(|one| one.name == "equal").cloned() else {
        return Ok(0.0);
    };
    let texts = equal.get("tolerance").unwrap_or_default();
    let numbers: Result<Vec<f64>, _> = texts.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|_| format!("tolerance {texts:?}"))?;
    let one = match numbers.as_slice() {
        [] => 0.0,
        [one] => *one,
        [low, high] if (low - high).abs() < 1e-12 => *low,
        _ => return Err("different tolerances below and above".to_owned()),
    };
    match equal.get("toleranceMode").unwrap_or("exact") {
        "exact" => Ok(0.0),
        "absolute" => Ok(one),
        "relative" => Ok((value * one / 100.0).abs()),
        other => Err(format!("toleranceMode {other}")),
    }
}

/// A text that is put together: blanks shrink to one, blocks are parted by an empty line.
#[derive(Default)]
struct Flow {
    out: String,
    /// Line ends that are due before the next word.
    due: usize,
    /// A blank that is due before the next word.
    blank: bool,
}

impl Flow {
    fn text(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.blank = true;
        }
        for word in text.split_whitespace() {
            if self.due > 0 && !self.out.is_empty() {
                self.out.push_str(if self.due > 1 { "\n\n" } else { "\n" });
            } else if self.blank && !self.out.is_empty() {
                self.out.push(' ');
            }
            (self.due, self.blank) = (0, true);
            self.out.push_str(word);
        }
        if !text.is_empty() {
            self.blank = self.blank && (text.ends_with(char::is_whitespace) || text.trim().is_empty());
        }
    }

    fn line(&mut self) {
        self.due = self.due.max(1);
    }

    fn block(&mut self) {
        self.due = 2;
    }

    fn done(self) -> String {
        self.out
    }
}
