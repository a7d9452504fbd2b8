//! What programs come to, and what is said about wrong ones. The operations are stand-ins that record their calls, so
//! that nothing here depends on which operations there are.

use super::bind::compile_with;
use super::*;
use crate::array::{ArraySpec, Column, DType, Mode, Region, Spec, TableSpec, View, ViewMut};
use crate::error::{Error, Result};
use crate::graph::{Array, Cx, MemArray, Need, ScanCx, ScanOp, ScanState, Table, TileOp, Value};
use crate::ops::{Arg, Args, OpDef, Param, Type};
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;

// Stand-ins.

#[derive(Debug)]
struct Recorded;

impl TileOp for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn need(&self, _: usize, out: &Region, _: &[ArraySpec]) -> Need {
        Need::inside(out)
    }

    fn run(&self, _: &Cx<'_>, _: &[View<'_>], _: &mut ViewMut<'_>, _: &mut [u8]) -> Result<()> {
        Ok(())
    }
}

impl ScanOp for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn state_bytes(&self, _: &ArraySpec) -> u64 {
        0
    }

    fn begin(&self, _: &ScanCx<'_>) -> Result<Box<dyn ScanState>> {
        Err(Error::Cancelled)
    }
}

fn record(args: &Args, names: &[&str]) -> Result<Array> {
    let given = names.iter().filter_map(|name| args.get(name));
    let inputs: Vec<_> = given.filter_map(|arg| if let Arg::Array(a) = arg { Some(a.clone()) } else { None }).collect();
    let spec = inputs.iter().filter_map(Array::array_spec).max_by_key(|spec| spec.rank());
    let spec = spec.cloned().unwrap_or_else(|| ArraySpec::scalar(DType::F64));
    Ok(Array::tile(Recorded, inputs, spec))
}

fn one(args: &Args) -> Result<Array> {
    args.array("input")?;
    record(args, &["input"])
}

fn two(args: &Args) -> Result<Array> {
    for name in ["x1", "x2"] {
        if let Some(Arg::Str(_) | Arg::None) = args.get(name) {
            return Err(args.error(format!("`{name}` must be a number or an array")));
        }
    }
    record(args, &["x1", "x2"])
}

fn gaussian(args: &Args) -> Result<Array> {
    match args.get("sigma") {
        Some(Arg::List(_)) => args.numbers("sigma").map(|_| ())?,
        _ => args.number("sigma", 0.0).map(|_| ())?,
    }
    args.mode("mode", Mode::Reflect)?;
    one(args)
}

fn median(args: &Args) -> Result<Array> {
    if args.given("footprint") {
        args.nested("footprint")?;
    }
    one(args)
}

fn scalar(args: &Args) -> Result<Array> {
    let input = args.array("input")?;
    let output = Spec::Array(ArraySpec::scalar(DType::F64));
    Ok(Array::scan(Recorded, vec![input], vec![output], &[]))
}

fn objects(args: &Args) -> Result<Array> {
    let outputs = vec![Spec::Array(args.spec("input")?), Spec::Array(ArraySpec::scalar(DType::U64))];
    Ok(Array::scan(Recorded, vec![args.array("input")?], outputs, &["labels", "count"]))
}

fn broken(_: &Args) -> Result<Array> {
    Err(Error::format("broken.npy", "is broken"))
}

const fn param(name: &'static str, ty: Type, default: Option<&'static str>) -> Param {
    Param { name, ty, default, doc: "its meaning" }
}

const fn op(name: &'static str, params: &'static [Param], build: fn(&Args) -> Result<Array>) -> OpDef {
    OpDef { name, family: "", summary: "", details: "", reference: "", params, returns: &[], examples: &[], build }
}

const INPUT: Param = param("input", Type::Array, None);
const UNARY: &[Param] = &[INPUT];
const BINARY: &[Param] = &[param("x1", Type::ArrayOrNumber, None), param("x2", Type::ArrayOrNumber, None)];
const GAUSSIAN: &[Param] =
    &[INPUT, param("sigma", Type::NumberPerAxis, None), param("mode", Type::Mode, Some("\"reflect\""))];
const MEDIAN: &[Param] =
    &[INPUT, param("size", Type::Integer, Some("none")), param("footprint", Type::Weights, Some("none"))];
const STACK: &[Param] = &[param("arrays", Type::Any, None)];

static REGISTRY: &[&OpDef] = &[
    &op("add", BINARY, two),
    &op("subtract", BINARY, two),
    &op("multiply", BINARY, two),
    &op("divide", BINARY, two),
    &op("floor_divide", BINARY, two),
    &op("remainder", BINARY, two),
    &op("power", BINARY, two),
    &op("less", BINARY, two),
    &op("less_equal", BINARY, two),
    &op("greater", BINARY, two),
    &op("greater_equal", BINARY, two),
    &op("equal", BINARY, two),
    &op("not_equal", BINARY, two),
    &op("bitwise_and", BINARY, two),
    &op("bitwise_or", BINARY, two),
    &op("bitwise_xor", BINARY, two),
    &op("maximum", BINARY, two),
    &op("negative", &[INPUT], one),
    &op("bitwise_not", &[INPUT], one),
    &op("sobel", UNARY, one),
    &op("gaussian_filter", GAUSSIAN, gaussian),
    &op("median_filter", MEDIAN, median),
    &op("threshold_otsu", UNARY, scalar),
    &op("label", UNARY, objects),
    &op("broken", UNARY, broken),
    &op("stack", STACK, |args| record(args, &["arrays"])),
];

fn image() -> Array {
    let mut spec = ArraySpec::with_axes(&[4, 5, 6], DType::U8, "zyx");
    spec.axes[0].labels = ["DAPI", "GFP", "far red", "far red"].map(String::from).to_vec();
    Array::value(Value::Array(Arc::new(MemArray::zeros(spec).unwrap())))
}

fn table() -> Array {
    let spec = TableSpec { columns: vec![Column { name: "area".into(), dtype: DType::U64 }] };
    Array::value(Value::Table(Arc::new(Table::of_columns(spec, 0, &[&[]]).unwrap())))
}

/// A call with the arrays that go into it: `add(x2=1)[image]`.
fn shown(array: &Array) -> String {
    let node = array.node();
    let text = match (array.known(), &node.origin) {
        (Some(value), _) => match (value.to_scalar(), value) {
            (Some(scalar), _) => format!("{}:{scalar}", scalar.dtype()),
            (None, Value::Array(_)) => "image".into(),
            (None, Value::Table(_)) => "table".into(),
        },
        (None, Some(origin)) => origin.to_string(),
        (None, None) => "?".into(),
    };
    let port = if array.port() > 0 { format!(".{}", node.ports[array.port()]) } else { String::new() };
    let inputs: Vec<_> = node.inputs.iter().map(shown).collect();
    if inputs.is_empty() { text + &port } else { format!("{text}{port}[{}]", inputs.join(", ")) }
}

fn shown_arg(arg: &Arg) -> String {
    match arg {
        Arg::Array(array) => shown(array),
        plain => plain.to_string(),
    }
}

/// Everything a program is compiled with.
struct Case<'a> {
    text: &'a str,
    input: Option<Array>,
    sets: &'a [(&'a str, &'a str)],
    inline: bool,
}

/// Opens `*.npy` as images and `*.csv` as tables, and writes down what it opened.
fn open(opened: &RefCell<Vec<String>>, path: &str, args: &OpenArgs) -> Result<Array> {
    opened.borrow_mut().push(format!("{path} {:?} {:?}", args.axes, args.level));
    match path.rsplit_once('.') {
        Some((_, "npy")) => Ok(image()),
        Some((_, "csv")) => Ok(table()),
        Some(("missing", _)) => Err(Error::io(path, "open", std::io::ErrorKind::NotFound.into())),
        _ => Err(Error::Usage(format!("{path}: an unknown ending"))),
    }
}

impl<'a> Case<'a> {
    fn inline(text: &'a str) -> Self {
        Case { text, input: Some(image()), sets: &[], inline: true }
    }

    fn file(text: &'a str) -> Self {
        Case { text, input: None, sets: &[], inline: false }
    }

    fn with(mut self, sets: &'a [(&'a str, &'a str)]) -> Self {
        self.sets = sets;
        self
    }

    fn compile(self) -> (Result<Compiled>, Vec<String>) {
        let opened = RefCell::default();
        let host = Host { open: &|path, args| open(&opened, path, args) };
        let sets = self.sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request { name: "p", text: self.text, input: self.input, sets, inline: self.inline };
        let compiled = compile_with(REGISTRY, &request, &host);
        (compiled, opened.into_inner())
    }

    fn ok(self) -> Compiled {
        self.compile().0.unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn gives(self, expected: &str) {
        let text = self.text;
        assert_eq!(self.ok().result.as_ref().map(shown_arg).as_deref(), Some(expected), "{text}");
    }

    fn error(self) -> Error {
        let text = self.text;
        self.compile().0.err().unwrap_or_else(|| panic!("compiles: {text}"))
    }

    /// Checks the message, the first marked characters' column (from 1), the marks' number, and the rest of their line.
    #[track_caller]
    fn refused(self, message: &str, column: usize, marks: usize, hint: &str) {
        let report = match self.error() {
            Error::Pipeline { report } => report,
            other => panic!("not about the text: {other}"),
        };
        let lines: Vec<_> = report.lines().collect();
        assert_eq!(lines[0], format!("error: {message}"), "{report}");
        assert!(lines[1].ends_with(&format!(":{column}")), "{report}");
        let (before, after) = lines[4].split_once('^').unwrap();
        assert_eq!(before.len(), column + 4, "{report}");
        let rest = after.trim_start_matches('^');
        assert_eq!((after.len() - rest.len() + 1, rest.trim_start()), (marks, hint), "{report}");
    }
}

#[track_caller]
fn gives(text: &str, expected: &str) {
    Case::inline(text).gives(expected);
}

#[track_caller]
fn refused(text: &str, message: &str, column: usize, marks: usize, hint: &str) {
    Case::inline(text).refused(message, column, marks, hint);
}

// Values.

#[test]
fn plain_numbers_are_computed_as_in_python() {
    let cases = [
        ("2*3", "6"),
        ("-1", "-1"),
        ("2**0.5", "1.4142135623730951"),
        ("7//2", "3"),
        ("-7//2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("7/2", "3.5"),
        ("4/2", "2.0"),
        ("2**-1", "0.5"),
        ("-2**2", "-4"),
        ("2**3**2", "512"),
        ("0**0", "1"),
        ("(-1)**9223372036854775808", "1"),
        ("7.5 // -2", "-4.0"),
        ("7.5 % -2", "-0.5"),
        ("1 // 0.1", "9.0"),
        ("1 % 0.1", "0.09999999999999995"),
        ("true + 1", "2"),
        ("~5", "-6"),
        ("~true", "false"),
        ("6 & 3 | 8 ^ 1", "11"),
        ("true & false", "false"),
        ("1 < 2", "true"),
        ("2 == 2.0", "true"),
        ("1 >= 1.5", "false"),
        ("\"a\" == 'a'", "true"),
        ("\"a\" != none", "true"),
        ("[1, 2.5, [true, none], \"x\"]", "[1, 2.5, [true, none], \"x\"]"),
        ("k = 3; k*k", "9"),
        ("k = 3; k = k + 1; k", "4"),
    ];
    for (text, expected) in cases {
        gives(text, expected);
    }
}

#[test]
fn arithmetic_that_has_no_answer() {
    refused("1 + 1/0", "division by zero", 5, 3, "");
    refused("1 // 0.0", "division by zero", 1, 8, "");
    refused("1 % false", "division by zero", 1, 9, "");
    refused("0 ** -1", "zero to a negative power: division by zero", 1, 7, "");
    refused("(-8) ** 0.5", "a negative number has no real power of a fraction", 1, 11, "");
    refused("10**10**10", "the integer becomes too large", 1, 10, "");
    refused("2**126 * 2", "the integer becomes too large", 1, 10, "");
    refused("-(-2**126 * 2)", "the integer becomes too large", 1, 14, "");
    refused("1e308 * 10", "the number becomes too large", 1, 10, "");
    refused("\"a\" + 1", "`+` cannot be applied to a text and an integer", 1, 7, "");
    refused("1.5 & 1", "`&` cannot be applied to a float and an integer", 1, 7, "");
    refused("-[1]", "`-` cannot be applied to a list", 1, 4, "");
    refused("\"a\" < \"b\"", "`<` cannot be applied to a text and a text", 1, 9, "");
}

#[test]
fn footprints_are_lists() {
    gives("disk(1)", "[[0, 1, 0], [1, 1, 1], [0, 1, 0]]");
    gives("diamond(radius=1)", "[[0, 1, 0], [1, 1, 1], [0, 1, 0]]");
    gives("square(2)", "[[1, 1], [1, 1]]");
    gives("cube(1)", "[[[1]]]");
    gives("octahedron(0)", "[[[1]]]");
    gives("cross()", "[[0, 1, 0], [1, 1, 1], [0, 1, 0]]");
    gives("cross(rank=1)", "[1, 1, 1]");
    gives("ball(1 - 1)", "[[[1]]]");
    gives("median_filter(footprint=disk(0))", "median_filter(footprint=[[1]])[image]");
    refused("disk()", "disk: needs `radius`, a whole number", 1, 6, "");
    refused("disk(-1)", "disk: `radius` must be a whole number, 0 or more", 1, 8, "");
    refused("square(0)", "square: `width` must be a whole number, 1 or more", 1, 9, "");
    refused("cross(7)", "cross: `rank` must be a whole number, 1 to 6", 1, 8, "");
    refused("disk(1.5)", "disk: `radius` must be a whole number, 0 or more", 1, 9, "");
    refused("disk(r=1)", "disk: has no parameter `r`; it takes `radius`", 1, 9, "");
    refused("disk(1, 2)", "disk: takes one argument, `radius`", 1, 10, "");
    refused("1 + ball(4000000000)", "ball: `radius` is 4000000000, which makes too large a list", 5, 16, "");
}

#[test]
fn operators_are_operations_with_pythons_precedence() {
    let cases = [
        ("input + 1", "add(x2=1)[image]"),
        ("1 - input", "subtract(x1=1)[image]"),
        ("-input ** 2", "negative()[power(x2=2)[image]]"),
        ("2 * 3 * input", "multiply(x1=6)[image]"),
        ("input + 2 * 3 > 4", "greater(x2=4)[add(x2=6)[image]]"),
        ("~(input < 1) & (input >= 2)", "bitwise_and()[bitwise_not()[less(x2=1)[image]], greater_equal(x2=2)[image]]"),
        ("input / 2 // 3 % 4", "remainder(x2=4)[floor_divide(x2=3)[divide(x2=2)[image]]]"),
        ("input | input ^ input", "bitwise_or()[image, bitwise_xor()[image, image]]"),
        ("(input == 1) != (input <= 1)", "not_equal()[equal(x2=1)[image], less_equal(x2=1)[image]]"),
        ("+input", "image"),
        ("threshold_otsu(input) * 0.8", "multiply(x2=0.8)[threshold_otsu()[image]]"),
        ("input * [1, 2]", "multiply(x2=[1, 2])[image]"),
        ("input > 1 |> sobel", "sobel()[greater(x2=1)[image]]"),
        ("stack([input, 1])", "stack(arrays=[…, 1])"),
    ];
    for (text, expected) in cases {
        gives(text, expected);
    }
    refused("input + \"a\"", "add: `x2` must be a number or an array", 9, 3, "");
    refused("none * input", "multiply: `x1` must be a number or an array", 1, 4, "");
}

#[test]
fn operations_take_arguments_as_in_python() {
    gives("gaussian_filter(input, 2)", "gaussian_filter(sigma=2)[image]");
    gives("gaussian_filter(input, mode=\"wrap\", sigma=1)", "gaussian_filter(sigma=1, mode=\"wrap\")[image]");
    gives("gaussian_filter(sigma=2*3, input=sobel(input))", "gaussian_filter(sigma=6)[sobel()[image]]");
    gives(
        "smooth = gaussian_filter(input, 1)\nsmooth > threshold_otsu(smooth)",
        "greater()[gaussian_filter(sigma=1)[image], threshold_otsu()[gaussian_filter(sigma=1)[image]]]",
    );
}

#[test]
fn an_operations_error_stands_at_the_argument_it_names() {
    let text = "gaussian_filter(input, sigma=\"a\", mode=\"wrap\")";
    refused(text, "gaussian_filter: `sigma` must be a number, not \"a\"", 24, 9, "");
    let text = "sobel(input) |> gaussian_filter(\"a\")";
    refused(text, "gaussian_filter: `sigma` must be a number, not \"a\"", 33, 3, "");
    let message = "gaussian_filter: has no parameter `sigm`; did you mean `sigma`? (gaussian_filter(input, sigma, mode=\"reflect\"))";
    refused("gaussian_filter(input, 1, sigm=2)", message, 27, 6, "");
    refused("input |> gaussian_filter(sigma=1, input=2)", "gaussian_filter: `input` is given twice", 1, 5, "");
    let message = "gaussian_filter: needs `sigma`: its meaning";
    refused("sobel(input) |> gaussian_filter()", message, 17, 17, "");
    let message = "sobel: takes at most 1 arguments, got 2: sobel(input)";
    refused("sobel(input, 2)", message, 1, 15, "");
    refused("x = open(\"t.csv\"); sobel(x)", "sobel: `input` is a table, not an array", 26, 1, "");
    let long = format!("gaussian_filter(input, {})", "[1],".repeat(1000));
    assert!(Case::inline(&long).error().to_string().len() < 1000);
}

#[test]
fn errors_that_are_not_about_the_text_stay() {
    assert!(matches!(Case::inline("broken(input)").error(), Error::Format { .. }));
    let error = Case::inline("open(\"missing.tif\")").error();
    assert_eq!((error.to_string(), error.exit_code()), ("missing.tif: no such file".into(), 1));
    refused("sobel(open(\"a.xyz\"))", "a.xyz: an unknown ending", 12, 7, "");
}

// Names.

#[test]
fn unknown_names_get_the_nearest() {
    refused("smooth = sobel(input); smoth + 1", "unknown name `smoth`", 24, 5, "did you mean `smooth`?");
    refused("inptu + 1", "unknown name `inptu`", 1, 5, "did you mean `input`?");
    refused("input + sobell", "unknown name `sobell`", 9, 6, "did you mean `sobel(…)`?");
    refused("input + q", "unknown name `q`", 9, 1, "");
    refused("sobl(input)", "unknown operation `sobl`", 1, 4, "did you mean `sobel`?");
    refused("input |> gaussian(2)", "unknown operation `gaussian`", 10, 8, "did you mean `gaussian_filter`?");
    refused("oepn(\"a.npy\")", "unknown operation `oepn`", 1, 4, "did you mean `open`?");
    refused("input |> zzzzz()", "unknown operation `zzzzz`", 10, 5, "");
    assert!(Case::inline("zzzzz()").error().to_string().ends_with("note: `tilewise ops` lists the operations"));
}

#[test]
fn names_that_are_something_else() {
    refused("input + sobel", "`sobel` is an operation, not a value", 9, 5, "call it: `sobel(…)`");
    refused("input + disk", "`disk` is a function, not a value", 9, 4, "call it: `disk(…)`");
    refused("x = 1; x(2)", "`x` is a value, not an operation", 8, 1, "only operations can be called");
    refused("input(2)", "`input` is a value, not an operation", 1, 5, "only operations can be called");
    gives("input |> sobel", "sobel()[image]");
    let hint = "choose another name";
    let message = "`input` is the image that the pipeline is run on and cannot be assigned to";
    refused("input = 1; 2", message, 1, 5, hint);
    refused("label = 1; 2", "`label` is an operation and cannot be assigned to", 1, 5, hint);
    refused("1; label = 2", "its result is not used", 1, 1, "name it with `name = …`, or `save(…)` it");
    refused("x = 1; disk = 2", "`disk` is a function and cannot be assigned to", 8, 4, hint);
}

#[test]
fn input_must_be_given() {
    let hint = "give it as IN, or with `--set input=PATH`";
    Case::file("sobel(input)").refused("there is no input image", 7, 5, hint);
    let inline = Case { input: None, ..Case::inline("2*3; sobel()") };
    inline.refused("its result is not used", 1, 3, "name it with `name = …`, or `save(…)` it");
    let inline = Case { input: None, ..Case::inline("x = 2*3; sobel()") };
    inline.refused("there is no input image", 10, 1, hint);
    assert!(Case::inline("sobel()").ok().uses_input);
    assert!(!Case::inline("open(\"a.npy\")").ok().uses_input);
}

#[test]
fn outputs_are_taken_by_name() {
    gives("label(input)", "label()[image]");
    gives("label(input).labels", "label()[image]");
    gives("l = label(input); l.count", "label().count[image]");
    gives("label(input).count + 1", "add(x2=1)[label().count[image]]");
    let message = "there is no output `cuont`; there are: labels, count";
    refused("label(input).cuont", message, 14, 5, "did you mean `count`?");
    refused("sobel(input).shape", "there is no `.shape`: this has only one output", 14, 5, "");
    refused("(2).x", "a number has no outputs", 5, 1, "`.name` takes another output of an operation");
}

#[test]
fn selections_find_their_axes() {
    let spec = |text| match Case::inline(text).ok().result {
        Some(Arg::Array(array)) => array.array_spec().map(|spec| format!("{} {:?}", spec.letters(), &spec.shape[..])),
        _ => None,
    };
    assert_eq!(spec("input[z=1:-2, x=3]").as_deref(), Some("zy [1, 5]"));
    assert_eq!(spec("k = 2; input[k - 1]").as_deref(), Some("yx [5, 6]"));
    assert_eq!(spec("input[:, ::2][0]").as_deref(), Some("yx [3, 6]"));
    assert_eq!(spec("input[-1, 0, 0]").as_deref(), Some(" []"));
    gives("input[z=:]", "image");
    refused("input[c=1]", "there is no axis `c`", 7, 1, "the axes are zyx");
    refused("input[zz=1]", "there is no axis `zz`", 7, 2, "the axes are zyx");
    refused("input[1, 2, 3, 4]", "the array has only 3 axes: zyx", 16, 1, "");
    refused("input[0, z=1:2]", "the axis `z` is selected twice", 10, 5, "");
    let message = "an index is a whole number that is known before the run, not";
    assert_eq!(spec("input[z=\"DAPI\"]").as_deref(), Some("yx [5, 6]"));
    assert_eq!(spec("k = \"GFP\"; input[k, x=1:2]").as_deref(), Some("yx [5, 1]"));
    refused("input[x=\"DAPI\"]", "the positions along axis `x` have no names", 9, 6, "select by number");
    refused("input[z=\"dapi\"]", "axis `z` has no `dapi`", 9, 6, "did you mean `DAPI`?");
    refused("input[z=\"Cy5\"]", "axis `z` has no `Cy5`", 9, 5, "there are DAPI, GFP, far red, far red");
    refused("input[z=\"far red\"]", "axis `z` has more than one `far red`: select by number", 9, 9, "");
    refused("input[x=\"a\":]", &format!("{message} a text"), 9, 3, "");
    refused("input[x=1.5]", &format!("{message} a number"), 9, 3, "");
    refused("input[x=threshold_otsu(input):]", &format!("{message} a computed scalar"), 9, 21, "");
    refused("[1, 2][0]", "only an array can be selected from, not a list", 1, 6, "");
    refused("threshold_otsu(input)[0]", "only an array can be selected from, not a computed scalar", 1, 21, "");
    refused("open(\"t.csv\")[0]", "only an array can be selected from, not a table", 1, 13, "");
    refused("input[x=1, z=99]", "select: index 99 lies outside axis 'z' of length 4", 12, 4, "");
    refused("input[2:2]", "select: nothing is left of axis 'z' of length 4: 2:2 is empty", 7, 3, "");
}

// Statements.

#[test]
fn results_are_used() {
    let hint = "name it with `name = …`, or `save(…)` it";
    refused("x = 1; sobel(input); x", "its result is not used", 8, 12, hint);
    refused("x = sobel(input)", "the pipeline has no result", 1, 16, "end with an expression or with `save(…)`");
    let both = Case::inline("save(input, \"a.npy\"); sobel(input)").ok();
    assert!(both.saves.len() == 1 && both.result.is_some());
    assert!(Case::inline("sobel(input) |> save(\"a.npy\"); x = 1").ok().result.is_none());
}

#[test]
fn saves() {
    let text = "x = sobel(input)\nsave(x, \"a.npy\", level=3, name=\"b\")\nsave(2, path=\"b.npy\")\n\
                open(\"t.csv\") |> save(\"c.csv\")\nsave(1.5, \"d.npy\"); save(true, \"e.npy\")";
    let saves = Case::inline(text).ok().saves;
    let all: Vec<_> = saves.iter().map(|save| format!("{} {}", save.path, shown(&save.array))).collect();
    assert_eq!(all, ["a.npy sobel()[image]", "b.npy int64:2", "c.csv table", "d.npy float64:1.5", "e.npy bool:true"]);
    let options: Vec<_> = saves[0].options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(options, ["level=3", "name=\"b\""]);
    assert_eq!(&text[saves[0].span.clone()], "save(x, \"a.npy\", level=3, name=\"b\")");

    refused("save(input)", "`save` needs a value and a path", 1, 11, "`save(x, \"x.npy\")`");
    refused("save()", "`save` needs a value and a path", 1, 6, "`save(x, \"x.npy\")`");
    refused("save(input, level=3)", "`save` needs a value and a path", 1, 20, "`save(x, \"x.npy\")`");
    refused("save(input, 3)", "a path is a text, not a number", 13, 1, "");
    refused("save([1], \"a.npy\")", "`save` takes an array, a number or a table, not a list", 6, 3, "");
    refused(
        "save(input, \"a.npy\", 3)",
        "`save` takes a value and a path",
        22,
        1,
        "options are given by name: `name=…`",
    );
    let message = "an option must be known before the run, but this is an array";
    refused("save(input, \"a.npy\", k=input)", message, 24, 5, "");
    refused("save(input, \"a.npy\"); save(1, \"a.npy\")", "`a.npy` is saved to twice", 31, 7, "");
    let hint = "write it as a statement of its own";
    refused("x = save(input, \"a.npy\")", "`save` gives no value", 5, 20, hint);
    refused("1 + save(input, \"a.npy\")", "`save` gives no value", 5, 20, hint);
}

#[test]
fn files_are_opened_by_the_host() {
    let text = "a = open(\"a.npy\")\nb = open(\"b.npy\", axes=\"zyx\", level=1)\na + open(path=\"c\" , level=2)";
    let (_, opened) = Case::file(text).compile();
    assert_eq!(opened, ["a.npy None None", "b.npy Some(\"zyx\") Some(1)", "c None Some(2)"]);
    refused("open()", "open: needs `path`", 1, 6, "`open(\"image.tif\")`");
    refused("open(3)", "a path is a text, not a number", 6, 1, "");
    refused("open(\"a.npy\", axes=3)", "`axes` is a text such as \"zyx\", not a number", 20, 1, "");
    refused("open(\"a.npy\", level=-1)", "`level` is a whole number, 0 or more", 21, 2, "");
    refused("open(\"a.npy\", lvl=1)", "open: there is no `lvl`", 15, 5, "it takes path, axes, level");
    refused("open(\"a.npy\", path=\"b\")", "open: the argument is given twice", 15, 8, "");
    refused("open(1, 2, 3, 4)", "open: there is no such argument", 15, 1, "it takes path, axes, level");
}

// The command line.

#[test]
fn input_may_be_left_out() {
    let cases = [
        ("gaussian_filter(sigma=2)", "gaussian_filter(sigma=2)[image]"),
        ("gaussian_filter(2)", "gaussian_filter(sigma=2)[image]"),
        ("k = 2; gaussian_filter(k)", "gaussian_filter(sigma=2)[image]"),
        ("gaussian_filter(1 + 1)", "gaussian_filter(sigma=2)[image]"),
        ("median_filter(none, disk(0)) |> sobel", "sobel()[median_filter(size=none, footprint=[[1]])[image]]"),
        ("maximum(2)", "maximum(x2=2)[image]"),
        ("input", "image"),
    ];
    for (text, expected) in cases {
        gives(text, expected);
    }
    // These have theirs.
    gives("x = open(\"a.npy\"); sobel(x)", "sobel()[image]");
    gives("sobel(input=open(\"a.npy\"))", "sobel()[image]");
    gives("sobel(open(\"a.npy\")) + 1", "add(x2=1)[sobel()[image]]");
    gives("maximum(1, 2)", "maximum(x1=1, x2=2)");
    // Only the head of the last statement is looked at, and only on the command line.
    refused("x = sobel(); x", "sobel: needs `input`: its meaning", 5, 7, "");
    refused("sobel() + 1", "sobel: needs `input`: its meaning", 1, 7, "");
    let file = Case { inline: false, ..Case::inline("sobel()") };
    file.refused("sobel: needs `input`: its meaning", 1, 7, "");
}

#[test]
fn sets_replace_the_right_side() {
    let text = "img = open(\"missing.tif\")\nk = 1\nmode = \"wrap\"\ngaussian_filter(img, k, mode)";
    let case = || Case::file(text);
    assert_eq!(case().error().to_string(), "missing.tif: no such file");
    let (compiled, opened) = case().with(&[("img", "b.npy"), ("k", "-2.5")]).compile();
    let result = compiled.ok().and_then(|compiled| compiled.result);
    assert_eq!(result.as_ref().map(shown_arg).as_deref(), Some("gaussian_filter(sigma=-2.5, mode=\"wrap\")[image]"));
    assert_eq!(opened, ["b.npy None None"]);
    // Where the program has a text, so has the set; the last set of a name counts.
    let sets = [("img", "b.npy"), ("mode", "nearest"), ("k", "7"), ("k", "3")];
    case().with(&sets).gives("gaussian_filter(sigma=3, mode=\"nearest\")[image]");
    case().with(&[("img", "b.npy"), ("mode", "'mirror'")]).gives("gaussian_filter(sigma=1, mode=\"mirror\")[image]");
    // Only the first assignment is replaced: later ones go on from it.
    Case::inline("k = 1; k = k + 1; k").with(&[("k", "10")]).gives("11");

    let usage = |case: Case| match case.error() {
        Error::Usage(message) => message,
        other => panic!("{other}"),
    };
    assert_eq!(usage(case().with(&[("imag", "b.npy")])), "--set: p assigns nothing to `imag`; did you mean `img`?");
    assert_eq!(usage(case().with(&[("zzzz", "b.npy")])), "--set: p assigns nothing to `zzzz`");
    assert_eq!(
        usage(Case::inline("input").with(&[("x", "1")])),
        "--set: p assigns nothing to `x`: it assigns no names"
    );
    assert_eq!(usage(case().with(&[("img", "b.xyz")])), "--set img: b.xyz: an unknown ending");
    assert_eq!(case().with(&[("img", "missing.npz")]).error().to_string(), "missing.npz: no such file");
}

#[test]
fn input_can_be_set() {
    Case::file("sobel(input)").with(&[("input", "a.npy")]).gives("sobel()[image]");
    Case { input: None, ..Case::inline("sobel()") }.with(&[("input", "a.npy")]).gives("sobel()[image]");
    Case::file("input + 1").with(&[("input", "3")]).gives("4");
    let message = Case::file("open(\"b.npy\")").with(&[("input", "a.npy")]).error().to_string();
    assert_eq!(message, "--set input: the pipeline does not use `input`");
    let message = Case::inline("input").with(&[("input", "a.npy")]).error().to_string();
    assert_eq!(message, "--set input: `input` is given already, as IN");
}

// Limits.

#[test]
fn programs_cannot_blow_up() {
    let doubling = |seed: &str| format!("a = {seed}\n") + &"a = [a, a]\n".repeat(40) + "a";
    assert!(Case::inline(&doubling("1")).error().to_string().contains("more than 16 lists within each other"));
    let wide = format!("a = [{}]\n", "1, ".repeat(1000)) + &format!("a = [{}]\n", "a, ".repeat(1000)).repeat(3) + "a";
    assert!(Case::inline(&wide).error().to_string().contains("more than 1048576 entries"));
    let names: String = (0..1000).map(|i| format!("a{i} = d\n")).collect();
    let copies = format!("d = disk(100)\n{names}1");
    assert!(Case::inline(&copies).error().to_string().contains("more than 1048576 entries"));
    let texts = format!("d = \"{}\"\n{names}{names}1", "x".repeat(100_000));
    assert!(Case::inline(&texts).error().to_string().contains("more than 1048576 entries"));
    let wrapped = "a = [1]\n".to_owned() + &"a = [a]\n".repeat(100_000) + "a";
    assert!(Case::inline(&wrapped).error().to_string().contains("within each other"));
}

#[test]
fn depth_never_overflows_the_stack() {
    let long = "x = input\n".to_owned() + &"x = x + 1\n".repeat(500) + "x";
    let too_long = "x = input\n".to_owned() + &"x = x + 1\n".repeat(100_000) + "x";
    let deep = "sobel(".repeat(MAX_DEPTH - 2) + "input" + &")".repeat(MAX_DEPTH - 2);
    let signs = "-".repeat(MAX_DEPTH - 2) + "input";
    let sums = "input+".repeat(MAX_DEPTH - 2) + "1";
    let check = move || {
        for text in [long, deep, signs, sums] {
            let compiled = Case::inline(&text).ok();
            assert!(compiled.result.is_some());
        }
        let message = Case::inline(&too_long).error().to_string();
        assert!(message.contains("more than 512 operations in one pipeline"));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(check).unwrap().join().unwrap();
}

#[test]
fn functions_of_the_language() {
    let names: Vec<_> = symbols().iter().map(|function| function.name).collect();
    assert!(["open", "save", "disk", "cross"].iter().all(|name| names.contains(name)));
    assert!(symbols().iter().all(|f| f.signature.starts_with(f.name) && f.summary.ends_with('.')));
}

#[test]
fn the_real_registry_is_used() {
    for op in crate::ops::OPS {
        for example in op.examples {
            let result = compiled(example, true).unwrap_or_else(|error| panic!("{error}")).result;
            assert!(matches!(result, Some(Arg::Array(_))), "{example}");
        }
        assert!(symbols().iter().all(|function| function.name != op.name), "{}", op.name);
    }
    assert_eq!(compiled("sobl(input)", true).unwrap_err().exit_code(), 2);
}

// Anything at all.

const SOUP: [&str; 58] = [
    "|>",
    "**",
    "//",
    "<=",
    "==",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "~",
    "<",
    "=",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    ".",
    ";",
    "\n",
    " ",
    "input",
    "x",
    "y",
    "x = ",
    "y = ",
    "sobel(",
    "sobel(input)",
    "gaussian_filter(",
    "sigma=",
    "mode=",
    "label(input)",
    ".count",
    "disk(",
    "cross()",
    "open(",
    "open(\"a.npy\")",
    "save(",
    "save(input, \"a.npy\")",
    "k=",
    "1",
    "2",
    "0",
    "1e300",
    "9223372036854775807",
    "\"a\"",
    "\"b.npy\"",
    "true",
    "none",
    "[1, 2]",
    "[z=1]",
    "[0:2]",
    "threshold_otsu(input)",
    "stack([",
];

const PROGRAMS: [&str; 6] = [
    "img = open(\"a.npy\")\nsmooth = gaussian_filter(img, sigma=1)\nmask = smooth > threshold_otsu(smooth) * 0.8\nsave(mask, \"b.npy\")",
    "l = label(median_filter(input, footprint=disk(2))); save(l.count, \"n.npy\", k=[1, 2]); l",
    "gaussian_filter(sigma=[1, 2**3, 0.5]) |> sobel |> median_filter(size=3)",
    "x = input[z=1:-1, x=::2]; -x ** 2 // 3 % 4 + ~(x < 1) & (x != 2) | x ^ 1",
    "stack([input, sobel(input), ball(1), cross(rank=3)])",
    "a = 7 // 2; b = a ** a; c = [a, b, \"t\", none, true]; maximum(b)",
];

/// Compiles with the stand-ins, whose errors are looked at, and with the real operations.
fn check(text: &str) {
    for inline in [false, true] {
        if let Err(error) = (Case { inline, ..Case::inline(text) }).compile().0 {
            let lines = error.to_string().lines().count();
            assert!(lines >= 5 || !matches!(error, Error::Pipeline { .. }), "{error}");
        }
        let _ = compiled(text, inline);
    }
}

/// What the real operations make of it.
fn compiled(text: &str, inline: bool) -> Result<Compiled> {
    let host = Host { open: &|_, _| Ok(image()) };
    compile(&Request { name: "p", text, input: Some(image()), sets: vec![], inline }, &host)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_never_panics(pieces in prop::collection::vec(prop::sample::select(SOUP.to_vec()), 0..30)) {
        check(&pieces.concat());
        check(&pieces.join(" "));
    }

    #[test]
    fn mutated_programs_never_panic(
        program in prop::sample::select(PROGRAMS.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, prop::sample::select(SOUP.to_vec())), 1..5),
    ) {
        let mut text: Vec<char> = program.chars().collect();
        for (at, removed, added) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, added.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn sets_never_panic(name in "[a-z]{0,3}|img|mask|input", value in any::<String>()) {
        let sets = [(name.as_str(), value.as_str())];
        let _ = Case::file(PROGRAMS[0]).with(&sets).compile();
    }
}

#[test]
fn the_programs_that_are_mutated_are_valid() {
    for text in PROGRAMS {
        let _ = Case::inline(text).ok();
    }
}
