//! The file that drives a clock.

use std::fs;
use std::time::Duration;

use testbed::DrivenClock;

#[test]
fn the_file_holds_signed_milliseconds() {
    let clock = DrivenClock::new().unwrap();
    let [flag, file] = clock.args();
    assert_eq!(flag.to_str(), Some("--clock-offset-file"));
    let offset = || fs::read_to_string(&file).unwrap();
    assert_eq!(offset(), "0");
    clock.advance(Duration::from_mins(1)).unwrap();
    clock.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(offset(), "60001");
    clock.set(-5).unwrap();
    assert_eq!(offset(), "-5");
}
