//! Questions, written as items.

use std::fmt::Write;

use super::{
    super::quiz::{Kind, Question},
    BLANK,
};

/// Response processing templates of the standard.
const TEMPLATES: &str = "http://www.imsglobal.org/question/qti_v2p1/rptemplates";

/// Writes a question as an item with this identifier. Every question can be said.
pub fn write(identifier: &str, question: &Question) -> String {
    let mut parts = Parts::of(&question.kind);
    let title = if question.title.is_empty() { identifier } else { &question.title };
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<assessmentItem xmlns=\"http://www.imsglobal.org/xsd/imsqti_v2p1\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.imsglobal.org/xsd/imsqti_v2p1 \
         http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd\" identifier=\"{}\" title=\"{}\" \
         adaptive=\"false\" timeDependent=\"false\">",
        escape(identifier),
        escape(title),
    );
    let _ = writeln!(
        out,
        "  <responseDeclaration identifier=\"RESPONSE\" cardinality=\"{}\" baseType=\"{}\">",
        parts.cardinality, parts.base
    );
    if !parts.correct.is_empty() {
        out.push_str("    <correctResponse>\n");
        for value in &parts.correct {
            let _ = writeln!(out, "      <value>{}</value>", escape(value));
        }
        out.push_str("    </correctResponse>\n");
    }
    out.push_str(&std::mem::take(&mut parts.mapping));
    out.push_str("  </responseDeclaration>\n");
    out.push_str("  <outcomeDeclaration identifier=\"SCORE\" cardinality=\"single\" baseType=\"float\"/>\n");
    let _ = writeln!(
        out,
        "  <outcomeDeclaration identifier=\"MAXSCORE\" cardinality=\"single\" baseType=\"float\">\n    \
         <defaultValue><value>{}</value></defaultValue>\n  </outcomeDeclaration>",
        question.points
    );
    if !question.feedback.trim().is_empty() {
        out.push_str(
            "  <outcomeDeclaration identifier=\"FEEDBACK\" cardinality=\"single\" baseType=\"identifier\">\n    \
             <defaultValue><value>always</value></defaultValue>\n  </outcomeDeclaration>\n",
        );
    }
    out.push_str("  <itemBody>\n");
    let mut prompt = blocks(&question.prompt);
    let mut body = std::mem::take(&mut parts.body);
    if body == ENTRY {
        // The field stands where the question has its blank, else below.
        let field = "<textEntryInteraction responseIdentifier=\"RESPONSE\"/>";
        if prompt.contains(BLANK) {
            prompt = prompt.replacen(BLANK, field, 1);
            body = format!("    {PROMPT}\n");
        } else {
            body = format!("    {PROMPT}\n    <div>{field}</div>\n");
        }
    }
    out.push_str(&body.replace(PROMPT, &prompt));
    out.push_str("  </itemBody>\n");
    out.push_str(&parts.processing);
    if !question.feedback.trim().is_empty() {
        let _ = writeln!(
            out,
            "  <modalFeedback outcomeIdentifier=\"FEEDBACK\" showHide=\"show\" identifier=\"always\">{}\
             </modalFeedback>",
            blocks(&question.feedback)
        );
    }
    out.push_str("</assessmentItem>\n");
    out
}

/// Where the prompt goes. It is a control character, which no text of ours has.
const PROMPT: &str = "\u{1}";

/// Paragraphs, and lines in them.
fn blocks(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    paragraphs.map(|part| format!("<p>{}</p>", lines(part))).collect()
}

fn lines(text: &str) -> String {
    let lines = text.lines().map(|line| escape(line.trim()));
    lines.collect::<Vec<_>>().join("<br/>")
}

struct Parts {
    cardinality: &'static str,
    base: &'static str,
    correct: Vec<String>,
    mapping: String,
    body: String,
    processing: String,
}

impl Parts {
    fn of(kind: &Kind) -> Self {
        let template = |name: &str| format!("  <responseProcessing template=\"{TEMPLATES}/{name}\"/>\n");
        let interaction = |name: &str, more: &str, inside: &str| {
            format!(
                "    {PROMPT}\n    <{name} responseIdentifier=\"RESPONSE\"{more}>\n{inside}    </{name}>\n"
            )
        };
        let mut parts = Self {
            cardinality: "single",
            base: "identifier",
            correct: Vec::new(),
            mapping: String::new(),
            body: String::new(),
            processing: template("match_correct"),
        };
        match kind {
            Kind::Single { choices, correct } => {
                parts.correct = vec![format!("C{}", correct + 1)];
                let more = " shuffle=\"true\" maxChoices=\"1\"";
                parts.body =
                    interaction("choiceInteraction", more, &listed("simpleChoice", "C", choices, ""));
            }
            Kind::Multiple { choices, correct } => {
                parts.cardinality = "multiple";
                parts.correct = correct.iter().map(|n| format!("C{}", n + 1)).collect();
                let more = " shuffle=\"true\" maxChoices=\"0\"";
                parts.body =
                    interaction("choiceInteraction", more, &listed("simpleChoice", "C", choices, ""));
            }
            Kind::Ordering { items } => {
                parts.cardinality = "ordered";
                parts.correct = (1..=items.len()).map(|n| format!("C{n}")).collect();
                let inside = listed("simpleChoice", "C", items, "");
                parts.body = interaction("orderInteraction", " shuffle=\"true\"", &inside);
            }
            Kind::Matching { pairs, distractors } => {
                parts.cardinality = "multiple";
                parts.base = "directedPair";
                // Partners that are the same text are one choice.
                let mut right: Vec<&String> = Vec::new();
                for pair in pairs {
                    let at = right.iter().position(|text| **text == pair.right).unwrap_or_else(|| {
                        right.push(&pair.right);
                        right.len() - 1
                    });
                    parts.correct.push(format!("L{} R{}", parts.correct.len() + 1, at + 1));
                }
                right.extend(distractors);
                let left: Vec<&String> = pairs.iter().map(|pair| &pair.left).collect();
                let many = format!(" matchMax=\"{}\"", pairs.len());
                let inside = format!(
                    "      <simpleMatchSet>\n{}      </simpleMatchSet>\n      <simpleMatchSet>\n{}      </simpleMatchSet>\n",
                    listed("simpleAssociableChoice", "L", &left, " matchMax=\"1\""),
                    listed("simpleAssociableChoice", "R", &right, &many),
                );
                let more = format!(" shuffle=\"true\" maxAssociations=\"{}\"", pairs.len());
                parts.body = interaction("matchInteraction", &more, &inside);
            }
            Kind::Numeric { value, tolerance } => {
                parts.base = "float";
                parts.correct = vec![value.to_string()];
                parts.body = ENTRY.to_owned();
                parts.processing = format!(
                    "  <responseProcessing>\n    <responseCondition>\n      <responseIf>\n        \
                     <equal toleranceMode=\"absolute\" tolerance=\"{tolerance} {tolerance}\">\
                     <variable identifier=\"RESPONSE\"/><correct identifier=\"RESPONSE\"/></equal>\n        \
                     <setOutcomeValue identifier=\"SCORE\"><baseValue baseType=\"float\">1</baseValue>\
                     </setOutcomeValue>\n      </responseIf>\n    </responseCondition>\n  </responseProcessing>\n"
                );
            }
            Kind::Short { accepted, case_sensitive } => {
                parts.base = "string";
                parts.correct = accepted.first().cloned().into_iter().collect();
                parts.mapping.push_str("    <mapping defaultValue=\"0\">\n");
                for text in accepted {
                    let _ = writeln!(
                        parts.mapping,
                        "      <mapEntry mapKey=\"{}\" mappedValue=\"1\" caseSensitive=\"{case_sensitive}\"/>",
                        escape(text)
                    );
                }
                parts.mapping.push_str("    </mapping>\n");
                parts.body = ENTRY.to_owned();
                parts.processing = template("map_response");
            }
            Kind::Essay {} => {
                parts.base = "string";
                parts.body = interaction("extendedTextInteraction", "", "");
                parts.processing = String::new();
            }
        }
        parts
    }
}

/// The body of what is answered in a few words or a number.
const ENTRY: &str = "entry";

/// A text as it may stand in XML 1.0: marks escaped, what is no character left out.
fn escape(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    let text: String = text.chars().filter(|c| allowed(c) && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    quick_xml::escape::escape(text).into_owned()
}

fn listed<S: AsRef<str>>(name: &str, letter: &str, texts: &[S], more: &str) -> String {
    let mut out = String::new();
    for (n, text) in texts.iter().enumerate() {
        let text = lines(text.as_ref());
        let _ = writeln!(out, "      <{name} identifier=\"{letter}{}\"{more}>{text}</{name}>", n + 1);
    }
    out
}
