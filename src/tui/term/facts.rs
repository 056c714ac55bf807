//! What is known of a terminal from the process environment, and what follows from it.

/// What the environment says of the terminal. `config` reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermFacts {
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// `TERM`.
    pub term: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// The first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set and not empty.
    pub lang: Option<String>,
    /// `SSH_CONNECTION` or `SSH_TTY` is set.
    pub ssh: bool,
    /// `TMUX` is set.
    pub tmux: bool,
}

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, reverse, underline and symbols carry the meaning.
    Mono,
    /// The 16 that the terminal's user chose.
    Ansi16,
    /// The palette of 256.
    Ansi256,
    /// 24 bits.
    True,
}

impl Depth {
    /// Reads `mono`, `16`, `256`, `truecolor`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "mono" | "none" => Some(Self::Mono),
            "16" | "ansi" => Some(Self::Ansi16),
            "256" => Some(Self::Ansi256),
            "truecolor" | "24bit" => Some(Self::True),
            _ => None,
        }
    }

    /// Flag, then configuration, then `NO_COLOR`, `COLORTERM`, `TERM`, else 16. OpenSSH does not
    /// forward `COLORTERM`, so a remote screen is asked for more colours by configuration.
    pub fn decide(flag: Option<Self>, configured: Option<Self>, facts: &TermFacts) -> Self {
        if let Some(asked) = flag.or(configured) {
            return asked;
        }
        if facts.no_color {
            return Self::Mono;
        }
        if matches!(facts.colorterm.as_deref(), Some("truecolor" | "24bit")) {
            return Self::True;
        }
        match facts.term.as_deref().unwrap_or_default() {
            "linux" | "dumb" => Self::Mono,
            term if term.starts_with("vt") => Self::Mono,
            term if term.ends_with("-direct") => Self::True,
            term if term.contains("256color") => Self::Ansi256,
            _ => Self::Ansi16,
        }
    }
}

impl TermFacts {
    /// Whether only ASCII may be drawn: asked for, or the locale is not UTF-8.
    pub fn ascii(&self, asked: bool) -> bool {
        let utf8 = self.lang.as_deref().is_some_and(|lang| {
            let lang = lang.to_ascii_lowercase();
            lang.contains("utf-8") || lang.contains("utf8")
        });
        asked || !utf8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(colorterm: &str, term: &str) -> TermFacts {
        TermFacts { colorterm: Some(colorterm.into()), term: Some(term.into()), ..TermFacts::default() }
    }

    #[test]
    fn who_says_first_decides_the_colours() {
        let rich = facts("truecolor", "xterm-256color");
        let quiet = TermFacts { no_color: true, ..rich.clone() };
        assert_eq!(Depth::decide(Some(Depth::Ansi16), Some(Depth::Mono), &rich), Depth::Ansi16);
        assert_eq!(Depth::decide(None, Some(Depth::Ansi256), &quiet), Depth::Ansi256);
        assert_eq!(Depth::decide(None, None, &quiet), Depth::Mono);
        assert_eq!(Depth::decide(None, None, &rich), Depth::True);
        assert_eq!(Depth::decide(None, None, &facts("", "screen-256color")), Depth::Ansi256);
        assert_eq!(Depth::decide(None, None, &facts("", "linux")), Depth::Mono);
        assert_eq!(Depth::decide(None, None, &facts("", "vt100")), Depth::Mono);
        assert_eq!(Depth::decide(None, None, &TermFacts::default()), Depth::Ansi16);
    }

    #[test]
    fn a_locale_without_utf_8_gets_ascii() {
        let lang = |lang: &str| TermFacts { lang: Some(lang.into()), ..TermFacts::default() };
        assert!(!lang("de_DE.UTF-8").ascii(false));
        assert!(!lang("C.utf8").ascii(false));
        assert!(lang("C.UTF-8").ascii(true));
        assert!(lang("POSIX").ascii(false));
        assert!(TermFacts::default().ascii(false));
    }
}
