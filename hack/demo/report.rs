//! What the reader sees: chapters, and facts that held or did not.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

/// Tells facts as they are checked, and counts them.
pub struct Report {
    style: Style,
    start: Instant,
    held: Cell<usize>,
    broken: Cell<usize>,
}

/// A fact did not hold. The reader knows already.
#[derive(Debug)]
pub struct Broken;

impl Report {
    pub fn new() -> Self {
        Self {
            style: Style::of_stdout(),
            start: Instant::now(),
            held: Cell::new(0),
            broken: Cell::new(0),
        }
    }

    /// Begins a chapter.
    pub fn chapter(&self, title: &str) {
        println!("\n{}", self.style.bold(title));
    }

    /// Checks a claim and says whether it holds, and how long it took to see.
    pub async fn fact<T>(
        &self,
        claim: impl Display,
        check: impl Future<Output = Result<T>>,
    ) -> Result<T, Broken> {
        let start = Instant::now();
        let outcome = check.await;
        let took = self.style.dim(&in_words(start.elapsed()));
        match outcome {
            Ok(value) => {
                self.held.set(self.held.get() + 1);
                println!("  {} {claim}  {took}", self.style.green("✓"));
                Ok(value)
            }
            Err(error) => {
                self.broken.set(self.broken.get() + 1);
                println!("  {} {claim}  {took}", self.style.red("✗"));
                println!("{}", indented(&format!("{error:#}")));
                Err(Broken)
            }
        }
    }

    /// More about the fact before, or about what is being waited for.
    pub fn detail(&self, text: &str) {
        println!("{}", self.style.dim(&indented(text.trim_end())));
    }

    /// The last line.
    pub fn sum_up(&self) {
        let (held, broken) = (self.held.get(), self.broken.get());
        let took = in_words(self.start.elapsed());
        let line = match broken {
            0 => self.style.green(&format!("All {held} facts held")),
            _ => self
                .style
                .red(&format!("{broken} of {} facts did not hold", held + broken)),
        };
        println!("\n{line}, in {took}.");
    }

    pub fn has_broken(&self) -> bool {
        self.broken.get() > 0
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.has_broken() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// A duration as people say it.
pub fn in_words(duration: Duration) -> String {
    match duration {
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_millis()),
        long => format!("{:.1} s", long.as_secs_f64()),
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("      {line}")).collect();
    lines.join("\n")
}

/// Colours, where somebody looks and has not asked for none.
enum Style {
    Colours,
    Plain,
}

impl Style {
    fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stdout().is_terminal() && !unwanted {
            Self::Colours
        } else {
            Self::Plain
        }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn green(&self, text: &str) -> String {
        self.with("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}
