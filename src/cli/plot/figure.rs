//! What a plot shows, before it is drawn: scales with ticks, and marks in a raster, so that millions of rows take no
//! more room than a few.

/// The plotting area, in pixels.
pub(super) const WIDE: usize = 780;
pub(super) const HIGH: usize = 520;

/// So many points and corners are kept as they are; of more, only the raster.
pub(super) const KEPT: usize = 20_000;

/// An axis: what its ends stand for, and where numbers are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<f64>,
    /// The distance between ticks.
    step: f64,
}

/// The least and the greatest of the finite values that were seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    pub(super) const NONE: Range = Range { low: f64::INFINITY, high: f64::NEG_INFINITY };

    pub(super) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

impl Scale {
    /// A scale for values in that range, with a little room around them.
    pub(super) fn around(range: Range) -> Self {
        let room = 0.03 * (range.high / 2.0 - range.low / 2.0) * 2.0;
        let room = if room > 0.0 { room } else { (0.1 * range.high.abs()).max(0.5) };
        Scale::exact((range.low - room).max(f64::MIN), (range.high + room).min(f64::MAX))
    }

    /// A scale with those ends.
    pub(super) fn exact(low: f64, high: f64) -> Self {
        let rough = (high / 6.0 - low / 6.0).max(f64::MIN_POSITIVE);
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(rough);
        let first = (low / step).ceil();
        let ticks = (0..20).map(|i| (first + f64::from(i)) * step).take_while(|tick| *tick <= high);
        // -0 is written with its sign.
        Scale { low, high, ticks: ticks.map(|tick| tick + 0.0).collect(), step }
    }

    /// How far along it a value lies, 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        let span = (self.high / 2.0 - self.low / 2.0).max(f64::MIN_POSITIVE);
        (value / 2.0 - self.low / 2.0) / span
    }

    /// A tick in as many digits as tell it from its neighbours.
    pub(super) fn text(&self, tick: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        if !(1e-3..1e6).contains(&largest) {
            let digits = (largest.log10().floor() - self.step.log10().floor()).clamp(0.0, 15.0) as usize;
            let text = if tick == 0.0 { "0".into() } else { format!("{tick:.digits$e}") };
            return text;
        }
        let digits = (-self.step.log10().floor()).clamp(0.0, 15.0) as usize;
        format!("{tick:.digits$}")
    }
}

/// Points or a line: every pixel's count, and the places themselves while they are few.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) counts: Vec<u32>,
    /// In pixels from the lower left; NaN where a line breaks. `None` once there were too many.
    pub(super) places: Option<Vec<[f32; 2]>>,
    /// Whether they are joined.
    pub(super) line: bool,
    last: Option<[f64; 2]>,
}

impl Marks {
    pub(super) fn new(line: bool) -> Self {
        Marks { counts: vec![0; WIDE * HIGH], places: Some(Vec::new()), line, last: None }
    }

    /// Adds a place, given as shares of the two scales; one that is not finite breaks a line.
    pub(super) fn add(&mut self, x: f64, y: f64) {
        let here = [x * (WIDE - 1) as f64, y * (HIGH - 1) as f64];
        let finite = here.iter().all(|v| v.is_finite());
        if let Some(places) = &mut self.places {
            match places.len() < KEPT {
                true if finite => places.push(here.map(|v| v as f32)),
                true if self.line => places.push([f32::NAN; 2]),
                true => {}
                false => self.places = None,
            }
        }
        let here = finite.then_some(here);
        match (self.line, self.last, here) {
            (true, Some(from), Some(to)) => self.join(from, to),
            (_, _, Some(at)) => self.count(at),
            (_, _, None) => {}
        }
        self.last = here;
    }

    fn count(&mut self, [x, y]: [f64; 2]) {
        let inside = |v: f64, end: usize| (v.round() as usize).min(end - 1);
        let at = (HIGH - 1 - inside(y, HIGH)) * WIDE + inside(x, WIDE);
        self.counts[at] = self.counts[at].saturating_add(1);
    }

    fn join(&mut self, from: [f64; 2], to: [f64; 2]) {
        let steps = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).ceil().max(1.0) as usize;
        for i in 1..=steps {
            let share = i as f64 / steps as f64;
            self.count([0, 1].map(|k| from[k] + (to[k] - from[k]) * share));
        }
    }
}

/// The bars of a histogram.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) counts: Vec<u64>,
}

impl Bars {
    pub(super) fn new(range: Range, bins: usize) -> Self {
        // As numpy's histogram: a single value gets a bin's room around it.
        let widen = if range.low == range.high { 0.5 } else { 0.0 };
        Bars { low: range.low - widen, high: range.high + widen, counts: vec![0; bins] }
    }

    /// Counts a value within the range; the last bin includes its end.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let share = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let bin = ((share * self.counts.len() as f64) as usize).min(self.counts.len() - 1);
        self.counts[bin] += 1;
    }
}

/// A plot, ready to be drawn.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) labels: [String; 2],
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Marks(Marks),
    Bars(Bars),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let shown = |low, high| {
            let scale = Scale::exact(low, high);
            scale.ticks.iter().map(|t| scale.text(*t)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(0.0, 10.0), "0 2 4 6 8 10");
        assert_eq!(shown(-0.3, 0.45), "-0.2 0.0 0.2 0.4");
        assert_eq!(shown(1e6, 1e6 + 4.0), "1.000000e6 1.000001e6 1.000002e6 1.000003e6 1.000004e6");
        assert_eq!(shown(0.0, 9e9), "0 2e9 4e9 6e9 8e9");
        let one = Scale::around(Range { low: 7.0, high: 7.0 });
        assert!(one.low < 7.0 && one.high > 7.0 && !one.ticks.is_empty());
        let all = Scale::around(Range { low: f64::MIN, high: f64::MAX });
        assert!((0.0..=1.0).contains(&all.share(1.0)) && all.ticks.len() > 2);
    }

    #[test]
    fn places_become_pixels() {
        let mut points = Marks::new(false);
        [(0.0, 0.0), (1.0, 1.0), (1.0, 1.0), (f64::NAN, 0.5)].into_iter().for_each(|(x, y)| points.add(x, y));
        assert_eq!(points.counts[(HIGH - 1) * WIDE], 1);
        assert_eq!(points.counts[WIDE - 1], 2);
        assert_eq!(points.counts.iter().sum::<u32>(), 3);
        let mut line = Marks::new(true);
        [(0.0, 0.0), (1.0, 0.0), (f64::NAN, 0.0), (0.0, 1.0)].into_iter().for_each(|(x, y)| line.add(x, y));
        assert!(line.counts[(HIGH - 1) * WIDE..].iter().all(|&n| n >= 1));
        assert_eq!(line.counts[..(HIGH - 1) * WIDE].iter().sum::<u32>(), 1);
        assert_eq!(line.places.map(|p| p.len()), Some(4));
    }

    #[test]
    fn bins_are_those_of_numpy() {
        let mut bars = Bars::new(Range { low: 0.0, high: 4.0 }, 4);
        [0.0, 0.9, 1.0, 3.9, 4.0, f64::NAN].into_iter().for_each(|v| bars.add(v));
        assert_eq!(bars.counts, [2, 1, 0, 2]);
        let mut one = Bars::new(Range { low: 5.0, high: 5.0 }, 2);
        one.add(5.0);
        assert_eq!((one.low, one.high, one.counts), (4.5, 5.5, vec![0, 1]));
    }
}
