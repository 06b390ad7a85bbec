//! A small tree of an XML document. No document type, no entities but XML's own five, a bound on depth.

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

/// Elements within elements, at most.
const DEEPEST: usize = 64;

/// An element. Names are without their prefixes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// What is in it.
    pub children: Vec<Node>,
}

/// What is in an element.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// A text.
    Text(String),
}

impl Element {
    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The elements directly in it.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Those of a name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements().filter(move |element| element.name == name)
    }

    /// All elements in it, however deep, in the order of the document.
    pub fn all(&self) -> Vec<&Self> {
        let mut found = Vec::new();
        for element in self.elements() {
            found.push(element);
            found.extend(element.all());
        }
        found
    }

    /// All text in it, trimmed.
    pub fn text(&self) -> String {
        fn collect(element: &Element, out: &mut String) {
            for node in &element.children {
                match node {
                    Node::Element(element) => collect(element, out),
                    Node::Text(text) => out.push_str(text),
                }
            }
        }
        let mut out = String::new();
        collect(self, &mut out);
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Reads a document; its root.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = true;
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| format!("no XML: {error}"))?;
        match event {
            Event::Start(start) => {
                if open.len() > DEEPEST {
                    return Err("elements are nested too deep".to_owned());
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => push(&mut open, Node::Element(element(&start)?)),
            Event::End(_) => {
                if let Some(done) = open.pop().filter(|_| !open.is_empty()) {
                    push(&mut open, Node::Element(done));
                }
            }
            Event::Text(text) => {
                push_text(&mut open, &text.xml_content(XmlVersion::Implicit1_0).map_err(unreadable)?);
            }
            Event::CData(text) => {
                push_text(&mut open, &text.xml_content(XmlVersion::Implicit1_0).map_err(unreadable)?);
            }
            Event::GeneralRef(reference) => {
                let said = match reference.resolve_char_ref().map_err(unreadable)? {
                    Some(c) => c.to_string(),
                    None => {
                        let name = reference.decode().map_err(unreadable)?;
                        resolve_predefined_entity(&name)
                            .ok_or_else(|| format!("the entity &{name}; is not XML's own"))?
                            .to_owned()
                    }
                };
                push_text(&mut open, &said);
            }
            Event::DocType(_) => return Err("a document type is not taken".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    if open.len() > 1 {
        return Err("no XML: an element does not end".to_owned());
    }
    let root = open.pop().unwrap_or_default();
    let mut roots = root.elements();
    match (roots.next(), roots.next()) {
        (Some(one), None) => Ok(one.clone()),
        _ => Err("no XML: there is not one element that holds all".to_owned()),
    }
}

fn unreadable(error: impl std::fmt::Display) -> String {
    format!("no XML: {error}")
}

fn push(open: &mut [Element], node: Node) {
    if let Some(last) = open.last_mut() {
        last.children.push(node);
    }
}

fn push_text(open: &mut [Element], text: &str) {
    let Some(last) = open.last_mut() else { return };
    match last.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => last.children.push(Node::Text(text.to_owned())),
    }
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name.rsplit(|byte| *byte == b':').next().unwrap_or(name)).into_owned()
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(unreadable)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(unreadable)?;
        attributes.push((local(attribute.key.as_ref()), value.into_owned()));
    }
    Ok(Element { name: local(start.name().as_ref()), attributes, children: Vec::new() })
}
