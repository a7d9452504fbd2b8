//! What calls give and refuse: types, shapes, axes, and one-line errors.

#[path = "common/whole.rs"]
mod whole;

use tilewise::array::{ArraySpec, DType, Scalar};
use tilewise::graph::Array;
use tilewise::ops::{self, Arg, Pick, Selection};
use whole::{array_of, eval, node_of};

fn image(letters: &str, shape: &[u64], dtype: DType) -> Array {
    let spec = match letters {
        "" => ArraySpec::unnamed(shape, dtype),
        _ => ArraySpec::with_axes(shape, dtype, letters),
    };
    let values = (0..spec.elements()).map(|i| Scalar::from_f64((i % 100) as f64, dtype));
    let bytes: Vec<u8> = values.flat_map(|v| v.bytes().to_vec()).collect();
    node_of(spec, &bytes)
}

fn call(op: &str, args: impl IntoIterator<Item = Arg>) -> Array {
    ops::call(op, args.into_iter().collect(), vec![]).unwrap()
}

fn refused(op: &str, positional: Vec<Arg>, keyword: &[(&str, Arg)]) -> String {
    let keyword = keyword.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
    let message = ops::call(op, positional, keyword).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn values(array: &Array) -> Vec<f64> {
    let array = array_of(&eval(array).unwrap());
    let size = array.spec.dtype.size();
    array.data.bytes().chunks_exact(size).map(|b| Scalar::from_bytes(array.spec.dtype, b).to_f64()).collect()
}

#[test]
fn element_types_of_results() {
    let of = |op: &str, x: DType, y: Arg| call(op, [image("", &[3], x).into(), y]).dtype().unwrap();
    let mean = || Arg::from(call("mean", [image("", &[3], DType::U8).into()]));
    assert_eq!(of("add", DType::U8, 1.into()), DType::F32);
    assert_eq!(of("add", DType::U32, 0.5.into()), DType::F64);
    assert_eq!(of("add", DType::U16, mean()), DType::F32);
    assert_eq!(of("add", DType::F32, image("", &[3], DType::I64).into()), DType::F64);
    assert_eq!(of("floor_divide", DType::U8, 3.into()), DType::U8);
    assert_eq!(of("floor_divide", DType::U8, image("", &[3], DType::I8).into()), DType::I16);
    assert_eq!(of("remainder", DType::U8, 2.5.into()), DType::F32);
    assert_eq!(of("minimum", DType::F32, mean()), DType::F32);
    assert_eq!(of("minimum", DType::U8, mean()), DType::F64);
    assert_eq!(of("equal", DType::U8, mean()), DType::Bool);
    let scalar = call("add", [mean(), 1.into()]);
    assert_eq!((scalar.dtype(), scalar.is_scalar()), (Some(DType::F64), true));
    assert_eq!(values(&scalar), [2.0]);
}

#[test]
fn sixty_four_bits_compare_exactly() {
    let big = node_of(ArraySpec::unnamed(&[2], DType::U64), bytemuck::cast_slice(&[u64::MAX, (1 << 53) + 1]));
    assert_eq!(values(&call("less", [big.clone().into(), Arg::Int(i128::from(u64::MAX))])), [0.0, 1.0]);
    assert_eq!(values(&call("greater", [big.clone().into(), Arg::Float(9007199254740992.0)])), [1.0, 1.0]);
    assert_eq!(values(&call("greater", [big.clone().into(), Arg::Int(-1)])), [1.0, 1.0]);
    let signed = node_of(ArraySpec::unnamed(&[2], DType::I64), bytemuck::cast_slice(&[-1i64, (1 << 53) + 1]));
    assert_eq!(values(&call("equal", [big.into(), signed.into()])), [0.0, 1.0]);
}

#[test]
fn filters_keep_to_the_spatial_axes_and_selections_scale_pixels() {
    let mut spec = ArraySpec::with_axes(&[4, 6, 3], DType::U8, "yxc");
    spec.axes[1].size = Some(0.5);
    let photo = node_of(spec, &[9; 72]);
    let padded = call("pad", [Arg::from(&photo), 1.into()]);
    assert_eq!(padded.shape().unwrap()[..], [6, 8, 3]);
    let what = Pick::Slice { start: None, stop: None, step: Some(2) };
    let items = [Selection { axis: Some('x'), what }, Selection { axis: Some('c'), what: Pick::Index(-1) }];
    let part = ops::select(&photo, &items).unwrap();
    let spec = part.array_spec().unwrap();
    assert_eq!((spec.letters().as_str(), &spec.shape[..], spec.axes[1].size), ("yx", &[4, 3][..], Some(1.0)));
    let first = ops::select(&photo, &[Selection { axis: Some('c'), what: Pick::Index(0) }]).unwrap();
    let channel = call("add", [first.into(), photo.into()]);
    assert_eq!(channel.array_spec().unwrap().letters(), "yxc");
}

#[test]
fn selecting_everything_gives_a_scalar() {
    let items = [3, -1].map(|i| Selection { axis: None, what: Pick::Index(i) });
    let one = ops::select(&image("", &[4, 5], DType::U8), &items).unwrap();
    assert!(one.is_scalar());
    assert_eq!(values(&one), [19.0]);
}

#[test]
fn errors_name_op_parameter_and_range() {
    let x = || Arg::from(image("", &[4, 5], DType::U8));
    let cases = [
        (
            refused("gaussian_filter", vec![x(), Arg::Int(-1)], &[]),
            "gaussian_filter: `sigma` is -1, it must not be negative",
        ),
        (
            refused("gaussian_filter", vec![x(), 1.into(), Arg::Int(-1)], &[]),
            "gaussian_filter: `order` is -1, it lies in 0..=16",
        ),
        (
            refused("gaussian_filter", vec![x(), 1.into()], &[("radius", Arg::Int(-2))]),
            "gaussian_filter: `radius` is -2, it must not be negative",
        ),
        (
            refused("gaussian_filter", vec![x(), 1.into()], &[("radius", Arg::Int(99_999_999))]),
            "gaussian_filter: `radius` is 99999999, the most is 1048576",
        ),
        (
            refused("difference_of_gaussians", vec![x(), Arg::Int(-1)], &[]),
            "difference_of_gaussians: `low_sigma` is -1, it must not be negative",
        ),
        (
            refused("gaussian_filter", vec![x(), 1e9.into()], &[]),
            "gaussian_filter: `sigma` and `truncate` give a radius of 4000000000, the most is 1048576",
        ),
        (refused("uniform_filter", vec![x(), 0.into()], &[]), "uniform_filter: `size` is 0, it lies in 1..=2097152"),
        (
            refused("uniform_filter", vec![x(), 4.into()], &[("origin", 2.into())]),
            "uniform_filter: `origin` is 2, for a window of 4 it lies in -2..=1",
        ),
        (
            refused("convolve1d", vec![x(), [1, 2, 3, 4].into()], &[("origin", 2.into())]),
            "convolve1d: `origin` is 2, for a window of 4 it lies in -2..=1",
        ),
        (
            refused("minimum_filter", vec![x(), 3.into()], &[("cval", 0.5.into())]),
            "minimum_filter: `cval` is 0.5, which a uint8 array cannot hold; cast the array first",
        ),
        (
            refused("add", vec![x(), image("", &[3], DType::U8).into()], &[]),
            "add: arrays of shape [4, 5] (axes \"yx\") and [3] (axes \"x\") do not go together; a reduced array \
             goes back with keepdims=true",
        ),
        (
            refused("floor_divide", vec![x(), 300.into()], &[]),
            "floor_divide: 300 does not fit into a uint8 array; cast the array first",
        ),
        (refused("histogram", vec![x(), 0.into()], &[]), "histogram: `bins` is 0, it lies in 1..=4194304"),
        (
            refused("pad", vec![x(), Arg::Int(-1)], &[]),
            "pad: `pad_width` takes whole numbers in 0..=1099511627776, not -1",
        ),
        (refused("sobel", vec![x(), 2.into()], &[]), "sobel: `axis` is 2, the array has 2 axes (\"yx\")"),
        (
            refused("threshold", vec![x(), "lie".into()], &[]),
            "threshold: `method` is one of isodata, li, mean, minimum, otsu, triangle, yen, or a number, not \"lie\"; did \
             you mean \"li\"?",
        ),
        (refused("divide", vec![1.into(), 0.into()], &[]), "divide: 1 divided by zero"),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
    assert!(refused("bitwise_and", vec![image("", &[3], DType::F32).into(), 1.into()], &[]).contains("not floats"));
    let outside = Selection { axis: Some('x'), what: Pick::Index(7) };
    let error = ops::select(&image("", &[4, 5], DType::U8), &[outside]).unwrap_err().to_string();
    assert_eq!(error, "select: index 7 lies outside axis 'x' of length 5");
}
