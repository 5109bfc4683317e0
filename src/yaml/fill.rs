//! A tree with some of its texts written anew.

use std::rc::Rc;

use super::{Entry, Node, Path, Scalar, Segment, Value};

/// The tree with every text at or below `path` put through `fill`. Places, keys and all else stay, so what is told of a value is told at
/// the line where its template stands.
pub(crate) fn filled(tree: &Rc<Node>, path: &Path, fill: &dyn Fn(&str) -> String) -> Rc<Node> {
    at(tree, &path.0, fill)
}

fn at(node: &Rc<Node>, way: &[Segment], fill: &dyn Fn(&str) -> String) -> Rc<Node> {
    let Some((first, rest)) = way.split_first() else { return below(node, fill) };
    let value = match (&node.value, first) {
        (Value::Map(entries), Segment::Key(key)) => Value::Map(
            entries
                .iter()
                .map(|entry| {
                    let value = if entry.key == *key {
                        at(&entry.value, rest, fill)
                    } else {
                        Rc::clone(&entry.value)
                    };
                    Entry { id: entry.id, key: entry.key.clone(), at: entry.at, value }
                })
                .collect(),
        ),
        _ => return Rc::clone(node),
    };
    with(node, value)
}

fn below(node: &Rc<Node>, fill: &dyn Fn(&str) -> String) -> Rc<Node> {
    let value = match &node.value {
        Value::Scalar(Scalar::Text, text) => Value::Scalar(Scalar::Text, fill(text)),
        Value::Scalar(..) => return Rc::clone(node),
        Value::List(items) => Value::List(items.iter().map(|item| below(item, fill)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|entry| Entry {
                    id: entry.id,
                    key: entry.key.clone(),
                    at: entry.at,
                    value: below(&entry.value, fill),
                })
                .collect(),
        ),
    };
    with(node, value)
}

fn with(node: &Node, value: Value) -> Rc<Node> {
    Rc::new(Node { id: node.id, at: node.at, value, size: node.size, depth: node.depth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::load;

    #[test]
    fn only_texts_below_the_path_are_written_anew() {
        let (tree, _) = load("a: x\nb: { c: [x, 1, 'x'], x: yx }\n");
        let tree = filled(&tree.unwrap(), &Path::default().key("b"), &|text| text.replace('x', "z"));
        let Value::Map(all) = &tree.value else { panic!() };
        assert!(matches!(&all[0].value.value, Value::Scalar(Scalar::Text, text) if text == "x"));
        let Value::Map(b) = &all[1].value.value else { panic!() };
        let Value::List(c) = &b[0].value.value else { panic!() };
        assert!(matches!(&c[0].value, Value::Scalar(Scalar::Text, text) if text == "z"));
        assert!(matches!(&c[1].value, Value::Scalar(Scalar::Integer(1), _)));
        assert_eq!(b[1].key, "x", "keys stay");
        assert!(matches!(&b[1].value.value, Value::Scalar(Scalar::Text, text) if text == "yz"));
    }
}
