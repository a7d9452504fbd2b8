//! Several thresholds at once: Otsu's method for more than two classes.

use super::counts::{Distribution, Rule, from_histogram};
use crate::error::{Error, Result};
use crate::graph::Array;
use crate::ops::histogram::nbins;
use crate::ops::{Args, INPUT, OpDef, Param, Type};

const MAX_CLASSES: i64 = 8;

/// The array of all, then each by itself.
const PORTS: [&str; MAX_CLASSES as usize] = ["thresholds", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];

/// More ways to place the thresholds than this take hours.
const MAX_WAYS: f64 = 1e11;

#[derive(Debug)]
struct MultiOtsu {
    classes: usize,
}

impl Rule for MultiOtsu {
    fn name(&self) -> &'static str {
        "threshold_multiotsu"
    }

    fn list(&self) -> Option<usize> {
        Some(self.classes - 1)
    }

    fn find(&self, seen: &Distribution) -> Result<Vec<f64>> {
        let total = seen.counts.iter().sum::<u64>() as f64;
        let shares: Vec<f32> = seen.counts.iter().map(|&c| (c as f64 / total) as f32).collect();
        let filled: Vec<usize> = (0..shares.len()).filter(|&k| shares[k] != 0.0).collect();
        let (values, classes) = (filled.len(), self.classes);
        if values < classes {
            let what = format!("the histogram has only {values} values, too few for `classes`={classes}");
            return Err(Error::op(self.name(), what));
        }
        let bins = match values == classes {
            true => filled[..classes - 1].to_vec(),
            false => self.search(&shares)?,
        };
        Ok(bins.into_iter().map(|bin| seen.centres.at(bin)).collect())
    }
}

impl MultiOtsu {
    /// The first bins, in lexicographic order, with the largest variance between classes.
    fn search(&self, shares: &[f32]) -> Result<Vec<usize>> {
        let moments = Moments::new(shares);
        // A threshold in an empty bin separates like one in the bin before, which comes first; only the class of bin 0
        // alone counts for nothing in scikit-image, so that bin 1 differs from it even if it is empty.
        let places: Vec<usize> = (0..shares.len() - 1).filter(|&k| k < 2 || shares[k] > 0.0).collect();
        let thresholds = self.classes - 1;
        let ways: f64 = (0..thresholds).map(|k| (places.len() as f64 - k as f64) / (k + 1) as f64).product();
        if ways > MAX_WAYS {
            return Err(Error::op(
                self.name(),
                format!(
                    "{} values in {} classes make {ways:.0e} combinations to try, more than {MAX_WAYS:.0e}; \
                     take fewer classes or fewer values, as of `input // 256`",
                    places.len() + 1,
                    self.classes
                ),
            ));
        }
        let last = moments.last_classes(&places);
        let mut search =
            Search { moments, places, last, thresholds, most: 0.0, current: vec![0; thresholds], best: None };
        search.place(0, 0);
        search.best.ok_or_else(|| Error::op(self.name(), "no combination of thresholds separates the values"))
    }
}

/// Sums of shares, and of shares times bins, up to each bin.
struct Moments {
    zeroth: Vec<f32>,
    first: Vec<f32>,
}

impl Moments {
    fn new(shares: &[f32]) -> Self {
        let (mut zeroth, mut first) = (vec![shares[0]], vec![shares[0]]);
        for (k, &share) in shares.iter().enumerate().skip(1) {
            zeroth.push(zeroth[k - 1] + share);
            first.push(first[k - 1] + k as f32 * share);
        }
        Moments { zeroth, first }
    }

    /// What a class that starts with bin 0 adds to the variance.
    fn head(&self, to: usize) -> f32 {
        if to > 0 { of_class(self.zeroth[to], self.first[to]) } else { 0.0 }
    }

    /// What the class of the bins above `after`, up to `to`, adds.
    #[inline(always)]
    fn inner(&self, after: usize, to: usize) -> f32 {
        of_class(self.zeroth[to] - self.zeroth[after], self.first[to] - self.first[after])
    }

    /// What the class above each place adds.
    fn last_classes(&self, places: &[usize]) -> Vec<f32> {
        places.iter().map(|&place| self.inner(place, self.zeroth.len() - 1)).collect()
    }
}

#[inline(always)]
fn of_class(zeroth: f32, first: f32) -> f32 {
    if zeroth > 0.0 { first * first / zeroth } else { 0.0 }
}

struct Search {
    moments: Moments,
    places: Vec<usize>,
    /// What the last class adds if the last threshold is that place.
    last: Vec<f32>,
    thresholds: usize,
    most: f32,
    /// Indices into `places`.
    current: Vec<usize>,
    best: Option<Vec<usize>>,
}

impl Search {
    /// Tries all places from `from` on for threshold `k` and those after it.
    fn place(&mut self, k: usize, from: usize) {
        if k + 1 == self.thresholds {
            return self.place_last(k, from);
        }
        for at in from..self.places.len() {
            self.current[k] = at;
            self.place(k + 1, at + 1);
        }
    }

    fn place_last(&mut self, k: usize, from: usize) {
        let bin = |i: usize| self.places[self.current[i]];
        let head = (k > 0).then(|| self.moments.head(bin(0)));
        let inner: Vec<f32> = (1..k).map(|i| self.moments.inner(bin(i - 1), bin(i))).collect();
        let before = (k > 0).then(|| bin(k - 1));
        for at in from..self.places.len() {
            let place = self.places[at];
            let mut variance = head.unwrap_or_else(|| self.moments.head(place)) + self.last[at];
            // Added in scikit-image's order: first and last class, then those between.
            inner.iter().for_each(|part| variance += part);
            if let Some(before) = before {
                variance += self.moments.inner(before, place);
            }
            if variance > self.most {
                self.most = variance;
                self.current[k] = at;
                self.best = Some(self.current.iter().map(|&at| self.places[at]).collect());
            }
        }
    }
}

fn threshold_multiotsu(args: &Args) -> Result<Array> {
    let classes = args.integer("classes", 3)?;
    if !(2..=MAX_CLASSES).contains(&classes) {
        return Err(args.error(format!("`classes` is {classes}, it lies in 2..={MAX_CLASSES}")));
    }
    let nbins = nbins(args, "nbins", 256)?;
    from_histogram(args, nbins, MultiOtsu { classes: classes as usize }, &PORTS[..classes as usize])
}

/// `threshold_multiotsu`
pub static THRESHOLD_MULTIOTSU: OpDef = OpDef {
    name: "threshold_multiotsu",
    family: "thresholds",
    summary: "The thresholds that best separate several classes of values (Otsu).",
    details: "The thresholds are given as a small array, and one by one as the outputs `t1`, `t2` …: \
        `threshold_multiotsu(x, classes=3).t1`. They maximise the variance between the classes (P.-S. Liao, T.-S. Chen, \
        P.-C. Chung, A fast algorithm for multilevel thresholding, 2001); of equal ones the lowest are taken. Integers \
        have one bin per value, or, where they range over more than 65536 values, `nbins` bins as floats do. All \
        combinations are tried, in scikit-image's single precision: three classes of full 16-bit data take seconds, \
        and more than 1e11 combinations are refused. It is an error if there are fewer values than classes, or NaN or \
        infinities. One pass for types of up to 16 bits, else two.",
    reference: "skimage.filters.threshold_multiotsu",
    params: &[
        INPUT,
        Param { name: "classes", ty: Type::Integer, default: Some("3"), doc: "The number of classes, 2 to 8." },
        Param {
            name: "nbins",
            ty: Type::Integer,
            default: Some("256"),
            doc: "The number of bins for floats; at least 1.",
        },
    ],
    returns: &[
        ("thresholds", "One less than classes, ascending: int64 for types of up to 16 bits, else float64."),
        ("t1", "The first threshold, a scalar; `t2` … are the others."),
    ],
    examples: &["threshold_multiotsu(input, nbins=16)", "threshold_multiotsu(input, classes=2)"],
    build: threshold_multiotsu,
};
