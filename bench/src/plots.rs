//! Findings as pictures.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::operation::Operation;
use crate::peers::Peer;
use crate::report::Findings;
use crate::stats::Summary;

type Outcome = Result<(), Box<dyn Error>>;

const PEERS: &[(Peer, RGBColor)] = &[
    (Peer::Ours, RGBColor(0xd5, 0x5e, 0x00)),
    (Peer::Upstream, RGBColor(0x00, 0x72, 0xb2)),
    (Peer::Libc, RGBColor(0x55, 0x55, 0x55)),
    (Peer::Polling, RGBColor(0x00, 0x9e, 0x73)),
    (Peer::Libuv, RGBColor(0xcc, 0x79, 0xa7)),
    (Peer::Libevent, RGBColor(0xe6, 0x9f, 0x00)),
];

const OURS: RGBColor = PEERS[0].1;

/// A bar: what it is of, its length, and the ends of its whisker.
type Bar = (String, Summary);

pub fn draw(findings: &Findings, directory: &Path) -> Outcome {
    let rows = findings.rows.iter();
    let ratios = rows.filter_map(|row| Some((row.operation.to_string(), row.ratio(Peer::Ours)?)));
    let title = "time in upstream's, with quartiles (less is better)";
    bars(
        &directory.join("ratios.svg"),
        title,
        &ratios.collect::<Vec<_>>(),
        Some(1.0),
    )?;

    let http = findings.http.iter();
    let http: Vec<Bar> = http.map(|it| (it.name.to_owned(), it.per_second)).collect();
    let title = "requests per second, with quartiles (more is better)";
    bars(&directory.join("http.svg"), title, &http, None)?;

    let registered = |operation| match operation {
        Operation::Registered(count) => Some(count as f64),
        _ => None,
    };
    lines(
        &directory.join("registered.svg"),
        ("sources registered", "µs of a poll"),
        findings,
        registered,
        SeriesLabelPosition::LowerRight,
    )?;
    let timeouts = |operation| match operation {
        Operation::Timeout(micros) => Some(micros as f64),
        _ => None,
    };
    let labels = ("timeout in µs", "µs until the poll returns");
    lines(
        &directory.join("timeouts.svg"),
        labels,
        findings,
        timeouts,
        SeriesLabelPosition::MiddleLeft,
    )
}

/// Horizontal bars with whiskers.
fn bars(path: &Path, title: &str, bars: &[Bar], mark: Option<f64>) -> Outcome {
    const HEIGHT: u32 = 22;

    if bars.is_empty() {
        return Ok(());
    }
    // A whisker may leave the picture; the bars may not.
    let longest = bars.iter().map(|(_, it)| it.median).fold(0.0, f64::max) * 1.15;
    let size = (900, 90 + HEIGHT * bars.len() as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(30)
        .y_label_area_size(250)
        .x_label_area_size(30)
        .build_cartesian_2d(0.0..longest, (0..bars.len()).into_segmented())?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(index) => bars.get(bars.len() - 1 - index).map(|it| it.0.clone()),
        _ => None,
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .y_labels(bars.len() + 1)
        .y_label_formatter(&|place| name(place).unwrap_or_default())
        .draw()?;
    for (index, (_, summary)) in bars.iter().rev().enumerate() {
        use SegmentValue::{CenterOf, Exact};
        let corners = [(0.0, Exact(index)), (summary.median, Exact(index + 1))];
        let mut bar = Rectangle::new(corners, OURS.mix(0.6).filled());
        bar.set_margin(4, 4, 0, 0);
        chart.draw_series([bar])?;
        let whisker = vec![
            (summary.low, CenterOf(index)),
            (summary.high, CenterOf(index)),
        ];
        chart.draw_series([PathElement::new(whisker, BLACK)])?;
    }
    if let Some(mark) = mark {
        use SegmentValue::Exact;
        let line = vec![(mark, Exact(0)), (mark, Exact(bars.len()))];
        chart.draw_series([PathElement::new(line, PEERS[1].1.stroke_width(2))])?;
    }
    area.present()?;
    Ok(())
}

/// A line for every peer, of the operations that have a place on the x axis.
fn lines(
    path: &Path,
    (x_label, y_label): (&str, &str),
    findings: &Findings,
    place: impl Fn(Operation) -> Option<f64>,
    legend: SeriesLabelPosition,
) -> Outcome {
    let points = |peer: Peer| -> Vec<(f64, f64)> {
        let rows = findings.rows.iter();
        rows.filter_map(|row| Some((place(row.operation)?, row.nanos(peer)?.median / 1e3)))
            .collect()
    };
    let all: Vec<(f64, f64)> = PEERS.iter().flat_map(|(peer, _)| points(*peer)).collect();
    let most = all.iter().fold(0.0, |most: f64, point| most.max(point.1));
    let (first, last) = (
        all[0].0,
        all.iter().fold(0.0, |last: f64, point| last.max(point.0)),
    );

    let area = SVGBackend::new(path, (900, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(65)
        .build_cartesian_2d((first..last).log_scale(), 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(6)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc(x_label)
        .y_desc(y_label)
        .draw()?;
    for &(peer, color) in PEERS {
        let points = points(peer);
        if points.is_empty() {
            continue;
        }
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, 3, color.filled()));
        chart.draw_series(dots)?;
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
            .label(peer.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
