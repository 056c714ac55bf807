//! From Markdown to blocks. Emphasis and such are left out: a screen at three in the morning
//! needs the words.

use std::sync::LazyLock;
use std::time::Duration;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::model::runbook::{Block, LONGEST_STEP, Runbook, STEP_LIMIT, Shell, Step};
use crate::text::{Safe, clean, clean_block};

/// More blocks than this are not read by anybody.
pub(super) const MOST: usize = 4_000;
/// A command that is longer is a program.
const LONGEST: usize = 16 * 1024;

/// What people write where they want a name put in.
static PLACEHOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"<[A-Za-z][A-Za-z0-9_.-]*>|\{\{[^}]*\}\}|<[A-Za-z][a-z]* [a-z ]+>").ok());

/// Takes a text apart. Whatever it holds, this ends and does not fail.
pub(super) fn parse(text: &str) -> Runbook {
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, Options::empty()) {
        if reader.runbook.blocks.len() >= MOST {
            reader.runbook.cut = Some(Safe::from(format!("more than {MOST} paragraphs: the rest is not read")));
            break;
        }
        reader.take(event);
    }
    reader.flush();
    reader.runbook
}

#[derive(Default)]
struct Reader {
    runbook: Runbook,
    /// The text of the block that is being read.
    text: String,
    heading: Option<u8>,
    /// The lists that are open: the number of the next item of those that count.
    lists: Vec<Option<u64>>,
    /// The mark of an item whose text has not come yet.
    mark: Option<String>,
    quotes: usize,
    code: Option<String>,
    /// Where links lead, until they end.
    links: Vec<String>,
    steps: u32,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text.push_str(&text),
            Event::Code(text) => {
                self.text.push('`');
                self.text.push_str(&text);
                self.text.push('`');
            }
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Rule => self.flush(),
            // Extensions that are not on.
            Event::FootnoteReference(_) | Event::TaskListMarker(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(level as u8);
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    _ => "- ".to_owned(),
                });
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.quotes += 1;
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                self.code = Some(match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                });
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.links.push(dest_url.to_string()),
            Tag::Paragraph | Tag::HtmlBlock => self.flush(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                let info = self.code.take().unwrap_or_default();
                let text = std::mem::take(&mut self.text);
                self.mark = None;
                self.code_block(&info, text.trim_end_matches('\n'));
            }
            TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::Item => self.flush(),
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::Link | TagEnd::Image => {
                if let Some(to) = self.links.pop().filter(|to| !self.text.ends_with(to.as_str())) {
                    self.text.push_str(&format!(" ({to})"));
                }
            }
            _ => {}
        }
    }

    /// Ends the block that is being read, if there is one.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let heading = self.heading.take();
        if text.is_empty() {
            return;
        }
        let block = match heading {
            Some(level) => Block::Heading { level, text: clean(text) },
            None => {
                let mark = self.mark.take().unwrap_or_default();
                let depth = self.lists.len().saturating_sub(1)
                    + self.quotes
                    + usize::from(mark.is_empty() && !self.lists.is_empty());
                Block::Text { depth: depth.min(8), text: clean(&format!("{mark}{text}")) }
            }
        };
        self.runbook.blocks.push(block);
    }

    fn code_block(&mut self, info: &str, text: &str) {
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_ascii_lowercase();
        let limit = words
            .find_map(|word| humantime::parse_duration(word.strip_prefix("timeout=")?).ok())
            .map_or(STEP_LIMIT, |limit| limit.clamp(Duration::from_secs(1), LONGEST_STEP));
        match language.as_str() {
            "sh" | "shell" => self.step(Shell::Sh, limit, text),
            "bash" => self.step(Shell::Bash, limit, text),
            "console" | "shell-session" | "sh-session" | "bash-session" | "shellsession" => self.session(limit, text),
            _ => self.runbook.blocks.push(Block::Code(clean_block(text))),
        }
    }

    /// Commands behind prompts, and between them what they print. Each command is a step.
    fn session(&mut self, limit: Duration, text: &str) {
        let mut lines = text.lines().peekable();
        let mut printed: Vec<&str> = Vec::new();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                printed.push(line);
                continue;
            };
            self.printed(&mut printed);
            let mut command = command.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                command.push('\n');
                command.push_str(&more[2..]);
            }
            self.step(Shell::Sh, limit, &command);
        }
        self.printed(&mut printed);
    }

    fn printed(&mut self, lines: &mut Vec<&str>) {
        if !lines.is_empty() {
            self.runbook.blocks.push(Block::Code(clean_block(&lines.join("\n"))));
            lines.clear();
        }
    }

    fn step(&mut self, shell: Shell, limit: Duration, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        // Tabs that set lines in mean the same as spaces; others may not.
        let indented: Vec<String> = text
            .lines()
            .map(|line| {
                let rest = line.trim_start_matches('\t');
                format!("{}{rest}", "    ".repeat(line.len() - rest.len()))
            })
            .collect();
        let text = indented.join("\n");
        let command = clean_block(&text);
        // What is run is what was shown, to the letter.
        let refused = if *command != *text {
            Some(Safe::fixed("it holds characters that cannot be shown as they are: run it by hand, and note it"))
        } else if text.len() > LONGEST {
            Some(Safe::fixed("it is longer than 16 KiB: make a script of it"))
        } else {
            let found = PLACEHOLDER.as_ref().and_then(|pattern| pattern.find(&text));
            found.map(|found| {
                clean(&format!("`{}` looks like a place to be filled in: run it by hand, and note it", found.as_str()))
            })
        };
        self.steps += 1;
        self.runbook.blocks.push(Block::Step(Step { number: self.steps, shell, command, limit, refused }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(text: &str) -> Vec<(u32, Shell, String)> {
        parse(text).steps().map(|step| (step.number, step.shell, step.command.to_string())).collect()
    }

    fn text(depth: usize, text: &str) -> Block {
        Block::Text { depth, text: text.into() }
    }

    #[test]
    fn words_stay_in_their_order_and_commands_are_counted() {
        let runbook = parse(
            "# Payments\n\nWhat to *do* when the\npartner [refuses](https://partner.example/limits).\n\n\
             1. Look at `429`s:\n\n   ```sh\n   kubectl -n payments get pods\n   ```\n2. Then\n   - wait\n   - call\n\n\
             > careful\n\n```json\n{\"a\": 1}\n```\n\n    indented\n\n```bash timeout=5m\nsleep 100\n```\n",
        );
        let step = |number, shell, command: &str, limit| {
            Block::Step(Step {
                number,
                shell,
                command: command.into(),
                limit: Duration::from_secs(limit),
                refused: None,
            })
        };
        assert_eq!(
            runbook.blocks,
            [
                Block::Heading { level: 1, text: "Payments".into() },
                text(0, "What to do when the partner refuses (https://partner.example/limits)."),
                text(0, "1. Look at `429`s:"),
                step(1, Shell::Sh, "kubectl -n payments get pods", 60),
                text(0, "2. Then"),
                text(1, "- wait"),
                text(1, "- call"),
                text(1, "careful"),
                Block::Code("{\"a\": 1}".into()),
                Block::Code("indented".into()),
                step(2, Shell::Bash, "sleep 100", 300),
            ]
        );
    }

    #[test]
    fn of_a_session_each_prompt_is_a_step_and_what_was_printed_is_not() {
        let text =
            "```console\n$ kubectl get pods\nNAME  READY\npay   0/1\n$ for p in a b; do\n> echo $p\n> done\n```\n";
        assert_eq!(
            steps(text),
            [
                (1, Shell::Sh, "kubectl get pods".to_owned()),
                (2, Shell::Sh, "for p in a b; do\necho $p\ndone".to_owned()),
            ]
        );
        assert!(parse(text).blocks.contains(&Block::Code(clean_block("NAME  READY\npay   0/1"))));
        assert!(steps("```console\n# rm -rf /\nno prompt\n```\n").is_empty());
    }

    #[test]
    fn odd_fences_are_what_commonmark_makes_of_them() {
        assert_eq!(steps("~~~~sh\necho `a`\n```\n~~~\n~~~~\n"), [(1, Shell::Sh, "echo `a`\n```\n~~~".to_owned())]);
        assert_eq!(steps("````sh\n```sh\necho inner\n```\n````\n").len(), 1, "a fence in a longer one is text");
        assert_eq!(steps("```sh\necho never closed"), [(1, Shell::Sh, "echo never closed".to_owned())]);
        assert_eq!(steps("> - ```sh\n>   echo deep\n>   ```\n"), [(1, Shell::Sh, "echo deep".to_owned())]);
        assert!(steps("```sh `x`\nnot a fence\n```\n").is_empty());
        assert!(steps("```\necho no language\n```\n```python\nprint()\n```\n").is_empty());
        assert!(steps("```sh\n\n```\n").is_empty());
    }

    #[test]
    fn a_command_that_is_not_what_it_looks_like_is_not_offered() {
        for (command, why) in [
            ("echo \u{1b}[8mrm -rf /\u{1b}[0m", "cannot be shown"),
            ("echo ok \u{202e}# fr- mr", "cannot be shown"),
            ("echo a\rrm b", "cannot be shown"),
            ("cut -d'\t' -f1", "cannot be shown"),
            ("kubectl delete pod <pod-name>", "`<pod-name>` looks like"),
            ("kubectl logs <name of the pod>", "looks like"),
            ("echo {{ cluster }}", "looks like"),
        ] {
            let runbook = parse(&format!("```sh\n{command}\n```\n"));
            let refused = runbook.step(1).unwrap().refused.clone();
            assert!(refused.as_ref().is_some_and(|said| said.contains(why)), "{command:?}: {refused:?}");
            assert!(!runbook.step(1).unwrap().command.contains('\u{1b}'));
        }
        for fine in ["\tindented", "cat <<EOF\nx\nEOF", "wc -l < in > out", "a <(b) c"] {
            assert_eq!(parse(&format!("```sh\n{fine}\n```\n")).step(1).unwrap().refused, None, "{fine:?}");
        }
    }

    #[test]
    fn escape_sequences_and_endless_texts_do_no_harm() {
        let runbook = parse("# \u{1b}]0;owned\u{7}Title\n\n<script>\u{9b}2Jx</script>\n\n```txt\n\u{1b}[2Jcode\n```\n");
        assert_eq!(
            runbook.blocks,
            [
                Block::Heading { level: 1, text: "Title".into() },
                text(0, "<script>x</script>"),
                Block::Code("code".into()),
            ]
        );
        assert_eq!(parse(&"a\n\n".repeat(50_000)).blocks.len(), MOST);
        assert!(parse(&"> ".repeat(20_000)).blocks.len() <= 1);
        assert!(parse(&"- ".repeat(2_000)).blocks.len() <= 2_000);
        assert!(parse(&format!("{}x", "[".repeat(50_000))).blocks.len() <= 1);
    }

    proptest! {
        #[test]
        fn any_text_becomes_blocks_of_safe_text(text in r"(```|~~~|sh|console|\$ |> |- |\n|\t|#|\x1b\[2J|a|`|\[|\]\(|<|\u{202e}){0,60}") {
            for block in parse(&text).blocks {
                let (Block::Heading { text, .. } | Block::Text { text, .. } | Block::Code(text)
                    | Block::Step(Step { command: text, .. })) = block;
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
            }
        }
    }
}
