//! Joining, turning and cutting: what is read, what is refused, what becomes of axes. Values are checked by the goldens.

mod io_common;

use io_common::*;
use std::sync::Arc;
use tilewise::array::{ArraySpec, DType, Region};
use tilewise::graph::{Array, NodeKind};
use tilewise::io::chunked::ChunkedSource;
use tilewise::io::{Layout, create};
use tilewise::ops::{Arg, call};
use tilewise::{Result, Run, pipeline};

fn chunked(shape: &[u64], chunk: &[u64], letters: &str, dtype: DType) -> (Arc<ChunkedSource>, Array) {
    let spec = ArraySpec::with_axes(shape, dtype, letters);
    let data = random_data(&mut Rng(51 + shape[0]), &spec);
    let source = Arc::new(ChunkedSource::new(spec, chunk, &data));
    (source.clone(), Array::source(Arc::new(source)))
}

fn joined(op: &str, arrays: Arg) -> Result<Array> {
    call(op, vec![arrays], Vec::new())
}

fn error(op: &str, arrays: Arg) -> String {
    joined(op, arrays).unwrap_err().to_string()
}

fn written(array: &Array) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    Run::new().threads(2).save(array, &path, false).unwrap().run().unwrap();
    let source = open_plain(&path).unwrap();
    read_box(&*source, ACCESSES[0], &Region::whole(&source.spec().shape)).unwrap()
}

fn touched(source: &ChunkedSource) -> usize {
    source.decoded().iter().filter(|&&n| n > 0).count()
}

#[test]
fn a_tile_reads_only_the_pieces_it_touches() {
    // The same chunks everywhere make one file-like grid; others are joined as a graph.
    for second in [[40, 60], [20, 30], [7, 9]] {
        let pieces: Vec<_> =
            [[40, 60], second, [40, 60], [40, 60]].map(|chunk| chunked(&[40, 60], &chunk, "yx", DType::U16)).into();
        let [a, b, c, d] = [0, 1, 2, 3].map(|i: usize| pieces[i].1.clone());
        let grid = Arg::List(vec![vec![a, b].into(), vec![c, d].into()]);
        let mosaic = joined("block", grid).unwrap();
        assert_eq!(mosaic.shape().unwrap()[..], [80, 120]);
        let part = pipeline("input[y=50:70, x=10:50]", &mosaic).unwrap();
        written(&part);
        let counts: Vec<usize> = pieces.iter().map(|(source, _)| touched(source)).collect();
        assert_eq!(counts, [0, 0, 1, 0], "{second:?}");
    }
}

#[test]
fn pieces_with_one_grid_of_chunks_are_one_source() {
    let is_source = |array: &Array| matches!(array.node().kind, NodeKind::Source(_));
    let piece = |shape: &[u64], chunk: &[u64]| chunked(shape, chunk, "yx", DType::U8).1;
    let join = |arrays: Vec<Array>| joined("concatenate", arrays.into()).unwrap();
    assert!(is_source(&join(vec![piece(&[40, 30], &[10, 10]), piece(&[25, 30], &[10, 10])])));
    assert!(is_source(&join(vec![piece(&[40, 30], &[40, 30]), piece(&[25, 30], &[25, 30])])));
    assert!(!is_source(&join(vec![piece(&[45, 30], &[10, 10]), piece(&[25, 30], &[10, 10])])));
    assert!(!is_source(&join(vec![piece(&[40, 30], &[10, 10]), piece(&[25, 30], &[5, 10])])));
}

#[test]
fn mosaics_of_files_of_all_formats() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng(52);
    let names = if cfg!(all(feature = "image", feature = "tiff")) {
        ["a.png", "b.tif", "c.npy", "d.png"]
    } else {
        ["a.npy", "b.npy", "c.npy", "d.npy"]
    };
    let shapes = [[50, 40], [50, 13], [21, 40], [21, 13]];
    let mut pieces = Vec::new();
    let mut expected = vec![0u8; 71 * 53];
    for (i, (name, shape)) in names.iter().zip(shapes).enumerate() {
        let spec = ArraySpec::with_axes(&shape, DType::U8, "yx");
        let data = random_data(&mut rng, &spec);
        let path = folder.path().join(name);
        write_tiles(&mut rng, &mut *create(path.to_str().unwrap(), &spec, false).unwrap(), &spec, &data).unwrap();
        for (k, &value) in data.iter().enumerate() {
            let (y, x) = (k as u64 / shape[1] + 50 * (i as u64 / 2), k as u64 % shape[1] + 40 * (i as u64 % 2));
            expected[(y * 53 + x) as usize] = value;
        }
        pieces.push(tilewise::open(path.to_str().unwrap()).unwrap());
    }
    let grid = |p: &[Array]| Arg::List(vec![p[..2].to_vec().into(), p[2..].to_vec().into()]);
    let mosaic = joined("block", grid(&pieces)).unwrap();
    assert!(written(&mosaic) == expected);
    let computed: Vec<Array> = pieces.iter().map(|p| p.call("maximum_filter", [1.into()], []).unwrap()).collect();
    let smooth = pipeline("gaussian_filter(input, 2)", &mosaic).unwrap();
    let other = pipeline("gaussian_filter(input, 2)", &joined("block", grid(&computed)).unwrap()).unwrap();
    assert!(written(&smooth) == written(&other));
    let output = folder.path().join("c.npy");
    let over = Run::new().save(&mosaic, &output, true).unwrap().run();
    assert!(over.unwrap_err().to_string().contains("also an input"));
}

#[test]
fn hundreds_of_files_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ArraySpec::unnamed(&[4, 6], DType::U16);
    let mut rows: Vec<Arg> = Vec::new();
    for row in 0..20 {
        let mut arrays: Vec<Array> = Vec::new();
        for column in 0..20 {
            let path = folder.path().join(format!("{row}_{column}.npy"));
            let data: Vec<u8> = std::iter::repeat_n([row, column], 24).flatten().collect();
            write_tiles(&mut Rng(53), &mut *create(path.to_str().unwrap(), &spec, false).unwrap(), &spec, &data)
                .unwrap();
            arrays.push(tilewise::open(path.to_str().unwrap()).unwrap());
        }
        rows.push(arrays.into());
    }
    let mosaic = joined("block", Arg::List(rows)).unwrap();
    let NodeKind::Source(source) = &mosaic.node().kind else { panic!("not one source") };
    assert_eq!(source.layout(), Layout::Direct { chunk: None });
    assert!(source.bill(ACCESSES[0]).per_reader < 1 << 20);
    let all = written(&mosaic);
    let at = |y: usize, x: usize| [all[(y * 120 + x) * 2], all[(y * 120 + x) * 2 + 1]];
    assert!((0..80).all(|y| (0..120).all(|x| at(y, x) == [(y / 4) as u8, (x / 6) as u8])));
}

#[test]
fn axes_and_labels_travel() {
    let (_, a) = chunked(&[3, 4, 2], &[3, 4, 2], "yxc", DType::U8);
    let spec = |text: &str| pipeline(text, &a).unwrap().array_spec().unwrap().clone();
    assert_eq!(spec("transpose(input, \"cyx\")").letters(), "cyx");
    assert_eq!(spec("stack([input, input])").letters(), "nyxc");
    assert_eq!(spec("stack([input, input], axis=-1, name=\"t\")").letters(), "yxct");
    assert_eq!(spec("expand_dims(input, 1)").letters(), "ynxc");
    assert_eq!(spec("squeeze(input[y=0:1])").letters(), "xc");
    let block = spec("block([[input, input]])");
    assert_eq!((block.letters().as_str(), &block.shape[..]), ("yxc", &[3, 8, 2][..]));

    let mut named = ArraySpec::with_axes(&[2, 3], DType::U8, "cx");
    named.axes[0].labels = vec!["DAPI".into(), "GFP".into()];
    let source = Arc::new(ChunkedSource::new(named, &[1, 3], &[1, 2, 3, 4, 5, 6]));
    let array = Array::source(Arc::new(source.clone()));
    let labels = |text: &str| pipeline(text, &array).unwrap().array_spec().unwrap().axes[0].labels.join(" ");
    assert_eq!(labels("concatenate([input, input])"), "DAPI GFP DAPI GFP");
    assert_eq!(labels("flip(input, \"c\")"), "GFP DAPI");
    assert_eq!(labels("concatenate([input, input], axis=\"x\")"), "DAPI GFP");
    assert_eq!(labels("input[c=1:]"), "GFP");
    assert_eq!(written(&pipeline("input[c=\"GFP\"]", &array).unwrap()), [4, 5, 6]);
    assert_eq!(source.decoded(), [0, 1]);
}

#[test]
fn what_does_not_fit_together_is_named() {
    let piece = |shape: &[u64], letters: &str, dtype| chunked(shape, shape, letters, dtype).1;
    let a = piece(&[4, 5], "yx", DType::U8);
    let text = error("concatenate", vec![a.clone(), piece(&[4, 5], "yx", DType::U16)].into());
    assert!(text.contains("[4, 5] uint8") && text.contains("[4, 5] uint16") && text.contains("cast"), "{text}");
    let text = error("concatenate", vec![a.clone(), piece(&[4, 6], "yx", DType::U8)].into());
    assert!(text.contains("along 'y'") && text.contains("[4, 6]"), "{text}");
    assert!(error("concatenate", vec![a.clone(), piece(&[4, 5], "zx", DType::U8)].into()).contains("different axes"));
    assert!(error("stack", vec![a.clone(), piece(&[4, 6], "yx", DType::U8)].into()).contains("different shapes"));
    assert!(error("concatenate", a.clone().into()).contains("a list of arrays"));
    assert!(error("concatenate", Arg::List(Vec::new())).contains("a list of arrays"));
    assert!(error("concatenate", vec![1, 2].into()).contains("each must be an array"));
    let uneven = Arg::List(vec![vec![a.clone()].into(), a.clone().into()]);
    assert!(error("block", uneven).contains("equally deep"));
    assert!(error("block", Arg::List(vec![Arg::List(Vec::new())])).contains("empty list"));
    let deep = Arg::List(vec![Arg::List(vec![vec![a.clone()].into()])]);
    assert!(error("block", deep).contains("3 deep"));
    let wrong = |text: &str| pipeline(text, &a).unwrap_err().to_string();
    assert!(wrong("transpose(input, \"y\")").contains("1 axes"));
    assert!(wrong("transpose(input, \"yz\")").contains("no axis"));
    assert!(wrong("squeeze(input, \"y\")").contains("length 4"));
    assert!(wrong("expand_dims(input, 4)").contains("-3..=2"));
    assert!(wrong("expand_dims(input, name=\"y\")").contains("already"));
    assert!(wrong("flip(input, \"z\")").contains("no axis"));
    assert!(wrong("crop(input, z=[0, 1])").contains("axes are \"yx\""));
    assert!(wrong("crop(input, y=3)").contains("[start, stop]"));
    assert!(wrong("crop(input, y=[3, 2])").contains("nothing is left"));
}
