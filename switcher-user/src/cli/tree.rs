//! Lines in lines.

/// A line and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The line.
    pub text: String,
    /// What belongs to it.
    pub children: Vec<Self>,
}

impl Node {
    /// A line that nothing belongs to yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), children: Vec::new() }
    }

    /// The line and below it, with branches drawn, what belongs to it.
    pub fn draw(&self) -> String {
        let mut out = format!("{}\n", self.text);
        self.draw_children("", &mut out);
        out
    }

    fn draw_children(&self, indent: &str, out: &mut String) {
        for (at, child) in self.children.iter().enumerate() {
            let (branch, below) =
                if at + 1 == self.children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            for part in [indent, branch, &child.text, "\n"] {
                out.push_str(part);
            }
            child.draw_children(&format!("{indent}{below}"), out);
        }
    }
}
