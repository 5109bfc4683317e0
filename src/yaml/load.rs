//! Text to tree.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::finding::Finding;
use super::{Entry, Node, Path, Position, Scalar, Segment, Value};

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// What a plain scalar means.
    pub(crate) plain: fn(&str) -> Scalar,
    /// The deepest nesting that is read.
    pub(crate) deepest: usize,
    /// The most values that are read, those that aliases repeat included.
    pub(crate) most: usize,
}

impl Default for Rules {
    /// Those for settings.
    fn default() -> Self {
        Self { plain: Scalar::plain, deepest: 48, most: 50_000 }
    }
}

/// The tree of a text, if it has one, and what is wrong with the text. Reading goes on after a doubled key, but not after
/// anything that leaves the structure in doubt.
pub(crate) fn load(text: &str) -> (Option<Rc<Node>>, Vec<Finding>) {
    let (mut documents, mut findings) = load_all(text, Rules::default());
    if let Some(second) = documents.get(1) {
        findings.push(second_document(second.at));
        return (None, findings);
    }
    (documents.pop().map(|document| document.root), findings)
}

/// A document of a text.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it begins.
    pub(crate) at: Position,
    /// Its tree.
    pub(crate) root: Rc<Node>,
}

/// All documents of a text, in their order, and what is wrong with the text. None where the structure is in doubt.
pub(crate) fn load_all(text: &str, rules: Rules) -> (Vec<Document>, Vec<Finding>) {
    let mut loader = Loader::new(rules);
    let mut parser = Parser::new_from_str(text);
    let (mut documents, mut begun) = (Vec::new(), Position::START);
    while let Some(event) = parser.next_event() {
        let done = match event {
            Err(error) => Err(scan_error(text, &error)),
            Ok((Event::DocumentStart(_), span)) => {
                begun = position(&span);
                Ok(())
            }
            Ok((Event::DocumentEnd, _)) => {
                documents.extend(loader.root.take().map(|root| Document { at: begun, root }));
                // Anchors are those of one document.
                loader.anchors.clear();
                Ok(())
            }
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => loader.take(event, position(&span)),
        };
        if let Err(finding) = done {
            loader.findings.push(finding);
            return (Vec::new(), loader.findings);
        }
    }
    (documents, loader.findings)
}

fn second_document(at: Position) -> Finding {
    Finding::error(Path::default(), at, "a second YAML document begins here; the file may hold only one")
        .help("take out the `---` line, and put all environments under one `environments:`")
}

fn position(span: &Span) -> Position {
    let (start, end) = (span.start, span.end);
    let width = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Position { line: start.line().max(1), column: start.col() + 1, width: width.max(1) }
}

/// What the parser found, with the usual causes in plain words.
fn scan_error(text: &str, error: &ScanError) -> Finding {
    let line = error.marker().line().max(1);
    let at = Position { line, column: error.marker().col() + 1, width: 1 };
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let indent = content.len() - content.trim_start().len();
    if let Some(tab) = content[..indent].chars().position(|character| character == '\t') {
        let at = Position { line, column: tab + 1, width: 1 };
        return Finding::error(Path::default(), at, "a tab stands in the indentation")
            .help("YAML allows only spaces there: replace each tab by two spaces");
    }
    let info = error.info();
    let (message, help) = if info.contains("unknown anchor") {
        (
            "this alias names no anchor that stands before it".to_owned(),
            "write `&name` before the value it repeats",
        )
    } else if content.get(..).is_some_and(|line| line.trim_start().starts_with(['%', '@', '`'])) {
        (
            format!("this is not valid YAML: {info}"),
            "a text that begins with `%`, `@` or a backtick needs quotes",
        )
    } else {
        (
            format!("this is not valid YAML: {info}"),
            "look at the indentation, quotes and brackets of this line and the one before",
        )
    };
    Finding::error(Path::default(), at, message).help(help)
}

/// A list or mapping whose end has not come yet.
struct Frame {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<Entry>, lines: HashMap<String, usize>, key: Key },
}

/// What was read of the next entry of a mapping.
enum Key {
    Awaited,
    /// A good key, or `None` where the entry is to be dropped.
    Read(Option<(String, Position)>),
}

struct Loader {
    rules: Rules,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    findings: Vec<Finding>,
    ids: usize,
    values: usize,
}

impl Loader {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            stack: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            findings: Vec::new(),
            ids: 0,
            values: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(&text, style, tag.as_deref(), at);
                let node = self.node(at, Value::Scalar(scalar, text.into_owned()));
                self.put(node, anchor, at)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(at, anchor, tag.as_deref(), Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), lines: HashMap::new(), key: Key::Awaited };
                self.open(at, anchor, tag.as_deref(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.stack.pop() else { return Ok(()) };
                let value = match frame.content {
                    Content::List(items) => Value::List(items),
                    Content::Map { entries, .. } => Value::Map(entries),
                };
                let node = self.node(frame.at, value);
                self.put(node, frame.anchor, frame.at)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).map(Rc::clone) else {
                    return Err(Finding::error(
                        self.path(),
                        at,
                        "this alias stands inside of its own anchor",
                    )
                    .help("a value cannot contain itself: write the value out"));
                };
                self.values = self.values.saturating_add(node.size - 1);
                self.put(node, 0, at)
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        at: Position,
        anchor: usize,
        tag: Option<&Tag>,
        content: Content,
    ) -> Result<(), Finding> {
        self.check_tag(tag, at);
        self.stack.push(Frame { at: Position { width: 1, ..at }, anchor, content });
        self.check_depth(0, at)
    }

    fn check_depth(&self, below: usize, at: Position) -> Result<(), Finding> {
        let deepest = self.rules.deepest;
        if self.stack.len() + below <= deepest {
            return Ok(());
        }
        let message = format!("the nesting is deeper than {deepest} levels");
        Err(Finding::error(Path::default(), at, message).help("no setting needs more than ten levels"))
    }

    fn check_tag(&mut self, tag: Option<&Tag>, at: Position) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema()
        {
            let message = format!("the tag `{}{}` has no meaning here", tag.handle, tag.suffix);
            self.findings.push(Finding::error(self.path(), at, message).help("take the tag out"));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Scalar {
        self.check_tag(tag, at);
        let forced = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
        if style == ScalarStyle::Plain && !forced { (self.rules.plain)(text) } else { Scalar::Text }
    }

    fn node(&mut self, at: Position, value: Value) -> Rc<Node> {
        let (size, depth) = match &value {
            Value::Scalar(..) => (0, 0),
            Value::List(items) => measure(items.iter()),
            Value::Map(entries) => measure(entries.iter().map(|entry| &entry.value)),
        };
        self.ids += 1;
        Rc::new(Node { id: self.ids, at, value, size: size.saturating_add(1), depth: depth + 1 })
    }

    /// Puts a finished node where it belongs: the root, a list, or a mapping's next key or value.
    fn put(&mut self, node: Rc<Node>, anchor: usize, at: Position) -> Result<(), Finding> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.values = self.values.saturating_add(1);
        let most = self.rules.most;
        if self.values > most {
            let message = format!("the file has more than {most} values, those that aliases repeat included");
            return Err(Finding::error(Path::default(), at, message).help("use fewer aliases"));
        }
        self.check_depth(node.depth, at)?;
        let path = self.path();
        self.ids += 1;
        let (id, findings) = (self.ids, &mut self.findings);
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, lines, key }) => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => *key = Key::Read(read_key(&node, at, &path, lines, findings)),
                Key::Read(Some((key, at))) => entries.push(Entry { id, key, at, value: node }),
                Key::Read(None) => {}
            },
        }
        Ok(())
    }

    /// The way to the value that is being read.
    fn path(&self) -> Path {
        let segments = self.stack.iter().filter_map(|frame| match &frame.content {
            Content::List(items) => Some(Segment::Index(items.len())),
            Content::Map { key: Key::Read(Some((key, _))), .. } => Some(Segment::Key(key.clone())),
            Content::Map { .. } => None,
        });
        Path(segments.collect())
    }
}

/// The sum of the sizes and the greatest depth.
fn measure<'a>(nodes: impl Iterator<Item = &'a Rc<Node>>) -> (usize, usize) {
    nodes.fold((0, 0), |(size, depth), node| (size.saturating_add(node.size), depth.max(node.depth)))
}

/// The key of an entry, or `None` with a finding when it cannot be one.
fn read_key(
    node: &Node,
    at: Position,
    path: &Path,
    lines: &mut HashMap<String, usize>,
    findings: &mut Vec<Finding>,
) -> Option<(String, Position)> {
    let Value::Scalar(_, text) = &node.value else {
        let message = "a key must be a single text, not a list or a mapping";
        findings.push(
            Finding::error(path.clone(), at, message).help("a text that begins with `[` or `{` needs quotes"),
        );
        return None;
    };
    if text == "<<" {
        let message = "merge keys (`<<`) are not part of YAML 1.2 and are not read";
        let help = "use an alias as the whole value of a key instead, as in `health: *health`";
        findings.push(Finding::error(path.key(text), at, message).help(help));
        return None;
    }
    if let Some(line) = lines.get(text) {
        let message = format!("the key `{text}` is already given in line {line}");
        findings.push(Finding::error(path.key(text), at, message).help("keep one of the two"));
        return None;
    }
    lines.insert(text.clone(), at.line);
    Some((text.clone(), at))
}
