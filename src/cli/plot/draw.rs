//! A figure as pixels or as SVG.

use super::figure::{Bars, Figure, HIGH, Marks, Scale, WIDE, What};
use crate::cli::letters::{LETTER, glyph};
use std::fmt::Write as _;

/// Around the plotting area.
const LEFT: usize = 90;
const TOP: usize = 40;
pub(super) const WIDTH: usize = LEFT + WIDE + 30;
pub(super) const HEIGHT: usize = TOP + HIGH + 60;

const TICK: usize = 5;
const INK: [u8; 3] = [31, 79, 143];
const GREY: [u8; 3] = [64, 64, 64];
const PALE: [u8; 3] = [228, 228, 228];

/// How dark a pixel with that many marks is, 0 to 1.
fn darkness(count: u32, most: u32) -> f64 {
    if count == 0 { 0.0 } else { 0.4 + 0.6 * f64::from(count).ln_1p() / f64::from(most.max(1)).ln_1p() }
}

fn pixels(share: f64, length: usize) -> usize {
    (share * (length - 1) as f64).round().clamp(0.0, (length - 1) as f64) as usize
}

// Pixels.

/// Red, green and blue of every pixel.
pub(super) fn picture(figure: &Figure) -> Vec<u8> {
    let mut page = Page { pixels: vec![255; WIDTH * HEIGHT * 3] };
    page.grid(figure);
    match &figure.what {
        What::Marks(marks) => page.marks(marks),
        What::Bars(bars) => page.bars(figure, bars),
    }
    page.frame();
    page.words(figure);
    page.pixels
}

struct Page {
    pixels: Vec<u8>,
}

impl Page {
    /// Mixes a colour in; what lies outside is left out.
    fn mix(&mut self, x: usize, y: usize, colour: [u8; 3], share: f64) {
        if x >= WIDTH || y >= HEIGHT {
            return;
        }
        let at = (y * WIDTH + x) * 3;
        for (old, new) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            *old = (f64::from(*old) * (1.0 - share) + f64::from(new) * share).round() as u8;
        }
    }

    fn fill(&mut self, (x, y): (usize, usize), (wide, high): (usize, usize), colour: [u8; 3]) {
        (y..y + high).for_each(|y| (x..x + wide).for_each(|x| self.mix(x, y, colour, 1.0)));
    }

    fn grid(&mut self, figure: &Figure) {
        for tick in &figure.x.ticks {
            let x = LEFT + pixels(figure.x.share(*tick), WIDE);
            self.fill((x, TOP), (1, HIGH), PALE);
            self.fill((x, TOP + HIGH), (1, TICK), GREY);
        }
        for tick in &figure.y.ticks {
            let y = TOP + HIGH - 1 - pixels(figure.y.share(*tick), HIGH);
            self.fill((LEFT, y), (WIDE, 1), PALE);
            self.fill((LEFT - TICK, y), (TICK, 1), GREY);
        }
    }

    fn frame(&mut self) {
        self.fill((LEFT - 1, TOP), (1, HIGH), GREY);
        self.fill((LEFT - 1, TOP + HIGH), (WIDE + 1, 1), GREY);
    }

    /// A point is a small disc, a line two pixels wide.
    fn marks(&mut self, marks: &Marks) {
        let most = if marks.line { 1 } else { marks.counts.iter().copied().max().unwrap_or(0) };
        let around: &[(isize, isize)] =
            if marks.line { &[(0, 0), (0, -1)] } else { &[(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)] };
        for y in 0..HIGH {
            for x in 0..WIDE {
                let at = |(dx, dy): &(isize, isize)| {
                    let (x, y) = (x.checked_add_signed(*dx)?, y.checked_add_signed(*dy)?);
                    (x < WIDE && y < HIGH).then(|| marks.counts[y * WIDE + x])
                };
                let count = around.iter().filter_map(at).max().unwrap_or(0);
                if count > 0 {
                    self.mix(LEFT + x, TOP + y, INK, darkness(count.min(most), most));
                }
            }
        }
    }

    fn bars(&mut self, figure: &Figure, bars: &Bars) {
        for (left, right, high) in boxes(figure, bars) {
            let (left, right, high) = (left.round() as usize, right.round() as usize, high.round() as usize);
            let wide = (right - left).saturating_sub(usize::from(right - left > 3)).max(1);
            self.fill((LEFT + left, TOP + HIGH - high), (wide, high), INK);
        }
    }

    fn words(&mut self, figure: &Figure) {
        for tick in &figure.x.ticks {
            let text = figure.x.text(*tick);
            let x = LEFT + pixels(figure.x.share(*tick), WIDE);
            self.write((x.saturating_sub(text.chars().count() * LETTER / 2), TOP + HIGH + TICK + 6), &text, false);
        }
        for tick in &figure.y.ticks {
            let text = figure.y.text(*tick);
            let y = TOP + HIGH - 1 - pixels(figure.y.share(*tick), HIGH);
            let wide = text.chars().count() * LETTER;
            self.write(((LEFT - TICK - 4).saturating_sub(wide), y.saturating_sub(LETTER / 2)), &text, false);
        }
        let wide = |text: &str| text.chars().count() * LETTER;
        let [x, y] = &figure.labels;
        self.write(((LEFT + WIDE / 2).saturating_sub(wide(x) / 2), HEIGHT - 24), x, false);
        self.write((8, (TOP + HIGH / 2 + wide(y) / 2).min(HEIGHT)), y, true);
        self.write(((LEFT + WIDE / 2).saturating_sub(wide(&figure.title) / 2), 16), &figure.title, false);
    }

    /// Letters to the right, or upwards.
    fn write(&mut self, (left, top): (usize, usize), text: &str, upwards: bool) {
        for (k, bits) in text.chars().map(glyph).enumerate() {
            for (y, row) in bits.into_iter().enumerate() {
                for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
                    let along = k * LETTER + x;
                    match upwards {
                        false => self.mix(left + along, top + y, GREY, 1.0),
                        true if along <= top => self.mix(left + y, top - along, GREY, 1.0),
                        true => {}
                    }
                }
            }
        }
    }
}

/// Left, right and height of every bar, in pixels.
fn boxes<'a>(figure: &'a Figure, bars: &'a Bars) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
    let n = bars.counts.len();
    let edge = move |i: usize| {
        let share = i as f64 / n as f64;
        figure.x.share(bars.low * (1.0 - share) + bars.high * share) * WIDE as f64
    };
    let high = |count: u64| figure.y.share(count as f64) * HIGH as f64;
    let filled = bars.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    filled.map(move |(i, &count)| (edge(i), edge(i + 1), high(count)))
}

// SVG.

/// The figure as an SVG document.
pub(super) fn svg(figure: &Figure) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    ticks(&mut out, figure);
    let _ = writeln!(out, "<g transform=\"translate({LEFT} {TOP})\" fill=\"{ink}\">", ink = hex(INK));
    match &figure.what {
        What::Marks(marks) => match &marks.places {
            Some(places) if marks.line => polyline(&mut out, places),
            Some(places) => discs(&mut out, places),
            None => runs(&mut out, marks),
        },
        What::Bars(bars) => {
            for (left, right, high) in boxes(figure, bars) {
                let (wide, y) = ((right - left - 1.0).max(0.5), HIGH as f64 - high);
                let _ = writeln!(out, "<rect x=\"{left:.2}\" y=\"{y:.2}\" width=\"{wide:.2}\" height=\"{high:.2}\"/>");
            }
        }
    }
    out.push_str("</g>\n");
    words(&mut out, figure);
    out.push_str("</svg>\n");
    out
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn along(scale: &Scale, tick: f64, length: usize) -> f64 {
    scale.share(tick) * (length - 1) as f64
}

fn ticks(out: &mut String, figure: &Figure) {
    let (pale, grey, bottom) = (hex(PALE), hex(GREY), TOP + HIGH);
    for tick in &figure.x.ticks {
        let x = LEFT as f64 + along(&figure.x, *tick, WIDE);
        let _ = writeln!(out, "<path d=\"M{x:.1} {TOP}v{HIGH}\" stroke=\"{pale}\"/>");
        let (y, text) = (bottom + 20, figure.x.text(*tick));
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"{grey}\">{text}</text>");
    }
    for tick in &figure.y.ticks {
        let y = bottom as f64 - 1.0 - along(&figure.y, *tick, HIGH);
        let _ = writeln!(out, "<path d=\"M{LEFT} {y:.1}h{WIDE}\" stroke=\"{pale}\"/>");
        let (x, base, text) = (LEFT - 8, y + 4.0, figure.y.text(*tick));
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{base:.1}\" text-anchor=\"end\" fill=\"{grey}\">{text}</text>");
    }
    let _ = writeln!(out, "<path d=\"M{LEFT} {TOP}v{HIGH}h{WIDE}\" fill=\"none\" stroke=\"{grey}\"/>");
}

fn words(out: &mut String, figure: &Figure) {
    let (x, y, below) = (LEFT + WIDE / 2, TOP + HIGH / 2, HEIGHT - 12);
    let [under, beside] = [0, 1].map(|i| escaped(&figure.labels[i]));
    let title = escaped(&figure.title);
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{below}\" text-anchor=\"middle\">{under}</text>");
    let _ = writeln!(
        out,
        "<text x=\"18\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {y})\">{beside}</text>"
    );
    let _ = writeln!(out, "<text x=\"{x}\" y=\"26\" text-anchor=\"middle\" font-size=\"15\">{title}</text>");
}

fn discs(out: &mut String, places: &[[f32; 2]]) {
    for [x, y] in places {
        let y = (HIGH - 1) as f32 - y;
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.8\" fill-opacity=\"0.5\"/>");
    }
}

fn polyline(out: &mut String, places: &[[f32; 2]]) {
    let _ = write!(out, "<path fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" d=\"", hex(INK));
    let mut pen_up = true;
    for [x, y] in places {
        if x.is_nan() {
            pen_up = true;
            continue;
        }
        let y = (HIGH - 1) as f32 - y;
        let _ = write!(out, "{}{x:.1} {y:.1}", if pen_up { 'M' } else { 'L' });
        pen_up = false;
    }
    out.push_str("\"/>\n");
}

/// Shades of the raster of too many marks, so that neighbours of the same shade are one box.
const SHADES: u32 = 8;

fn runs(out: &mut String, marks: &Marks) {
    let most = if marks.line { 1 } else { marks.counts.iter().copied().max().unwrap_or(0) };
    let shade = |count: u32| (darkness(count.min(most), most) * f64::from(SHADES)).ceil() as u32;
    for level in 1..=SHADES {
        let mut path = String::new();
        for (y, row) in marks.counts.chunks(WIDE).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| shade(*a) == shade(*b)) {
                if shade(run[0]) == level {
                    let n = run.len();
                    let _ = write!(path, "M{x} {y}h{n}v1h-{n}z");
                }
                x += run.len();
            }
        }
        if !path.is_empty() {
            let opacity = f64::from(level) / f64::from(SHADES);
            let _ = writeln!(out, "<path fill-opacity=\"{opacity}\" d=\"{path}\"/>");
        }
    }
}

/// Text for XML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
