# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""RWKV-7 checkpoints: logits and states against stored float64 results and against reference/rwkv7_float64.py, wrong
variants of the equations that the stored results must tell apart, and sequences in one call, in several, and together.

examples/models/rwkv7-small is always there. Checkpoints made by others are looked for in $RWKV_SHARED_MODELS or
../shared/models beside the repository, and skipped without.

Tolerances: three times what the equations in numpy float32 differ from float64, where a file does not state its own.

Token by token the same tokens give the same bits however they come: in one call or several, packed or alone, decoded or
scored. Schedules that take several tokens at once sum in another order, and a call that ends within a chunk runs the
rest token by token: there, the same comparisons hold to ROUNDING, relative to the largest logit or the largest element
of a state. It is the tolerance that schedules.py has for one recurrence in f32. Found are 7e-7, and 7e-6 for the
checkpoint of digits, whose layers magnify rounding. A call that
forgets the state that it is handed is more than ten times ROUNDING away: the cases check that."""

import pathlib
import sys
import zlib

import numpy as np

from checkpoints import MISTAKES, forward, write_safetensors, shared_folder, small, tiny, reverse
from tool import Failed

sys.path.insert(0, str(pathlib.Path(__file__).parent / "reference"))
import rwkv7_float64  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "examples" / "rwkv7.mlir"
ROUNDING = 2e-5
SCHEDULES = {"step": ["--schedule", "step"], "auto": [], "chunk8": ["--schedule", "chunk", "--chunk", 8]}
ODD_CUTS = (1, 8, 8, 15, 32, 49)  # within chunks and between them, and one call without tokens

# ---- cases


def largest(found, expected):
    if found.shape != expected.shape:
        raise Failed(f"expected shape {expected.shape}, found {found.shape}")
    difference = np.abs(found.astype(np.float64) - expected)
    return float("nan") if np.isnan(difference).any() else float(difference.max(initial=0.0))


class Models:
    def __init__(self, tool, report, seed, full, selected):
        self.tool, self.report, self.seed, self.full, self.selected = tool, report, seed, full, selected
        self.folder = tool.folder / "models"
        self.folder.mkdir()

    def cache(self, path, schedule="auto"):
        return self.folder / f"cache-{zlib.crc32(str(path).encode()):08x}-{schedule}"

    def logits(self, path, tokens, *more, schedule="auto"):
        file, out = self.folder / "tokens.npy", self.folder / "logits.npy"
        np.save(file, np.array(tokens, np.int32))
        self.tool.checked(
            "logits",
            path,
            "--spec",
            SPEC,
            "--tokens-file",
            file,
            "-o",
            out,
            "--quiet",
            *SCHEDULES[schedule],
            *more,
            cache=self.cache(path, schedule),
        )
        return np.load(out)

    def model(self, path, threads=0, schedule="auto"):
        """The checkpoint bound to its pack, through the library."""
        cache = self.cache(path, schedule)
        if not list(cache.glob("*.pack")):
            self.logits(path, [0], schedule=schedule)
        return self.tool.library.model(next(cache.glob("*.pack")), path, threads)

    def case(self, name, method, *arguments):
        if self.selected(name):
            with self.report.case(name):
                method(*arguments)

    def run(self):
        checkpoints = [small()]
        folder = shared_folder()
        for name, load in (("tiny7", tiny), ("reverse", reverse)):
            try:
                checkpoints.append(load(folder))
            except FileNotFoundError as missing:
                if self.selected(f"models/{name}/logits"):
                    self.report.skipped(f"models/{name}", f"{missing.filename} is not there ($RWKV_SHARED_MODELS)")
        for c in checkpoints:
            self.case(f"{c.key}/reference", self.reference, c)
            self.case(f"{c.key}/logits", self.stored, c)
            for dtype in ("F32", "BF16", "F16"):
                self.case(f"{c.key}/matrices-{dtype}", self.matrices, c, dtype)
        for mistake in MISTAKES:
            self.case(f"models/mistakes/{mistake}", self.mistake, checkpoints, mistake)
        for c in checkpoints:
            if c.name == "reverse":
                for dtype in (None, "BF16", "F16"):
                    self.case(f"{c.key}/task" + (f"-{dtype}" if dtype else ""), self.task, c, dtype)
                self.case(f"{c.key}/generate", self.generate, c)
            else:
                self.case(f"{c.key}/state-files", self.state_files, c)
            if self.tool.library:
                for schedule in SCHEDULES:
                    suffix = "" if schedule == "step" else f"-{schedule}"
                    for method in (self.split, self.packed, self.decode, self.goes_on):
                        self.case(f"{c.key}/{method.__name__.replace('_', '-')}{suffix}", method, c, schedule)
                self.case(f"{c.key}/threads", self.threads, c)
                self.case(f"{c.key}/schedules", self.schedules, c)
            elif self.selected(f"{c.key}/split"):
                what = "split, packed, decode, goes-on, threads, schedules"
                self.report.skipped(f"{c.key}/{what}", "no librwkv_rt.so", 14)

    # Both references say the same, so mistakes are mistakes of the same equations.
    def reference(self, c):
        one, state = rwkv7_float64.forward(c.weights, c.tokens)
        two, other = forward(c.weights, c.tokens)
        difference = largest(two, one)
        if not difference <= 1e-9 * np.abs(one).max() or any(not largest(other[n], state[n]) <= 1e-9 for n in state):
            raise Failed(f"the two references differ by {difference:.3g}")

    def stored(self, c):
        found = self.logits(c.path, c.tokens, "--all")
        difference = largest(found, c.logits)
        self.report.line(f"{c.name}: logits within {difference:.3g} of those stored, tolerance {c.tolerance:.3g}")
        if not difference <= c.tolerance:
            raise Failed(f"logits differ by {difference:.3g} from those stored, tolerance {c.tolerance:.3g}")
        last = self.logits(c.path, c.tokens)
        if not np.array_equal(last, found[-1]):
            raise Failed(
                f"the last row of --all differs from that of the last position alone by {largest(last, found[-1]):.3g}"
            )
        if hasattr(c, "after_prompt"):
            difference = largest(self.logits(c.path, c.prompt), c.after_prompt.reshape(-1))
            if not difference <= c.tolerance:
                raise Failed(f"logits after the short prompt differ by {difference:.3g}, tolerance {c.tolerance:.3g}")

    # Weights in 16 bits against the float64 reference on the rounded weights.
    def matrices(self, c, dtype):
        path = self.folder / f"{c.name}-{dtype}.safetensors"
        weights = write_safetensors(path, c.weights, dtype)
        expected, state = rwkv7_float64.forward(weights, c.tokens)
        tolerance = max(c.tolerance, 3 * largest(forward(weights, c.tokens, dtype=np.float32)[0], expected))
        found = self.logits(path, c.tokens, "--all")
        difference = largest(found, expected)
        self.report.line(f"{c.name}, matrices in {dtype}: logits within {difference:.3g}, tolerance {tolerance:.3g}")
        if not difference <= tolerance:
            raise Failed(f"logits differ by {difference:.3g}, tolerance {tolerance:.3g}")
        wrong = forward(weights, c.tokens, "sa from decayed S")[0]
        if largest(found, wrong) <= tolerance:
            raise Failed("too weak: a removal from the decayed state is not rejected")

    def mistake(self, checkpoints, mistake):
        """The stored logits must reject it; so must what the compiler computes, which is near them."""
        seen = []
        for c in sorted(checkpoints, key=lambda c: sum(x.size for x in c.weights.values())):
            with np.errstate(all="ignore"):
                difference = largest(forward(c.weights, c.tokens, mistake)[0], c.logits)
            seen.append(f"{c.name} {difference:.2g}")
            if not difference <= c.tolerance:
                return
        raise Failed(f"no stored logits reject it: {', '.join(seen)}")

    # ---- the digits

    def task(self, c, dtype):
        path = c.path
        if dtype:
            path = self.folder / f"task-{dtype}.safetensors"
            write_safetensors(path, c.weights, dtype)
        for task in c.tasks:
            # Greedy decoding gives the answer if each of its tokens is the likeliest after those before it.
            answer = [c.vocabulary.index(x) for x in task["expect"]]
            tokens = task["prompt_tokens"] + answer[:-1]
            rows = self.logits(path, tokens, "--all")[len(task["prompt_tokens"]) - 1 :]
            found = "".join(c.vocabulary[i] for i in rows.argmax(-1))
            if found != task["expect"]:
                raise Failed(f"{task['prompt']}: expected {task['expect']}, found {found}")

    def generate(self, c):
        # A World vocabulary has no token 0, the end of the text, which is the digit 0 here: prompts without it.
        vocabulary = self.folder / "digits.txt"
        vocabulary.write_text("".join(f"{i} '{x}' 1\n" for i, x in enumerate(c.vocabulary) if i > 0))
        tasks = [t for t in c.tasks if "0" not in t["prompt"]]
        if not tasks:
            raise Failed("no task without the digit 0")
        for task in tasks:
            options = ["--tokenizer", vocabulary, "--temperature", 0, "--tokens", len(task["expect"]), "--quiet"]
            result = self.tool.checked(
                "generate", c.path, "--spec", SPEC, "--prompt", task["prompt"], *options, cache=self.cache(c.path)
            )
            if result.stdout.decode() != task["expect"]:
                raise Failed(f"{task['prompt']}: expected {task['expect']}, found {result.stdout.decode()}")

    # ---- states

    def state_files(self, c):
        """A prompt in one call and in three that hand a state file on, through rwkv-run."""
        text = bytes(c.tokens)

        def consume(part, before, after):
            prompt = self.folder / "prompt"
            prompt.write_bytes(part)
            start = ["--state-in", before] if before else []
            options = ["--tokens", 0, "--temperature", 0, "--state-out", after, "--quiet", *SCHEDULES["step"]]
            self.tool.checked(
                "generate",
                c.path,
                "--spec",
                SPEC,
                "--prompt-file",
                prompt,
                *start,
                *options,
                cache=self.cache(c.path, "step"),
            )
            return pathlib.Path(after).read_bytes()

        whole = consume(text, None, self.folder / "whole.state")
        rng = np.random.default_rng([self.seed, 1])
        one, two = sorted(rng.choice(np.arange(1, len(text)), 2, replace=False))
        consume(text[:one], None, self.folder / "a.state")
        consume(text[one:two], self.folder / "a.state", self.folder / "b.state")
        pieces = consume(text[two:], self.folder / "b.state", self.folder / "c.state")
        if whole != pieces:
            raise Failed(f"cut at {one}, {two}: the state files differ")
        if whole == consume(text[two:], None, self.folder / "d.state"):
            raise Failed("too weak: the state does not depend on the start of the prompt")
        if self.tool.library:
            model = self.model(c.path, schedule="step")
            with model.state(1) as state, model.state(1) as other:
                state.load(self.folder / "whole.state")
                if state.position(0) != len(text):
                    raise Failed(f"expected position {len(text)} in the state file, found {state.position(0)}")
                self.compare_state(c, state.arrays(), 0, c.tokens)
                state.save(self.folder / "again.state")
                if (self.folder / "again.state").read_bytes() != whole:
                    raise Failed("a state file that was loaded and saved differs")
                other.prefill([c.tokens])
                if not np.array_equal(other.decode([65]), state.decode([65])):
                    raise Failed("a loaded state continues in another way than the state itself")
            model.close()

    def compare_state(self, c, arrays, sequence, tokens):
        expected = rwkv7_float64.forward(c.weights, tokens)[1]
        near = forward(c.weights, tokens, dtype=np.float32)[1]
        wrong = forward(c.weights, tokens, "sa from decayed S")[1]
        found = {"att_x": arrays["att_shift"], "ffn_x": arrays["ffn_shift"], "wkv": arrays["wkv"].swapaxes(-1, -2)}
        rejected = False
        for n, x in found.items():
            tolerance = 3 * largest(near[n], expected[n])
            difference = largest(x[:, sequence], expected[n])
            if not difference <= tolerance:
                raise Failed(f"state {n} differs by {difference:.3g}, tolerance {tolerance:.3g}")
            rejected |= largest(x[:, sequence], wrong[n]) > tolerance
        if not rejected:
            raise Failed("too weak: the state of a removal from the decayed state is not rejected")

    @staticmethod
    def alike(found, expected, schedule, what):
        """The same bits token by token, else to ROUNDING; NaN where NaN is expected."""
        if schedule == "step":
            alike = found.tobytes() == expected.tobytes()
        else:
            alike = found.shape == expected.shape and np.array_equal(np.isnan(found), np.isnan(expected))
            difference = np.nan_to_num(np.abs(found.astype(np.float64) - expected)) if alike else None
            alike = alike and difference.max(initial=0) <= ROUNDING * np.nan_to_num(np.abs(expected)).max(initial=0)
        if not alike:
            raise Failed(f"{what} differs by {largest(found, expected):.3g}")

    def same(self, found, expected, schedule, what):
        for n in expected:
            self.alike(found[n], expected[n], schedule, f"{what}: state {n}")

    def split(self, c, schedule):
        """Logits and states of one call, and of calls cut anywhere, some of them empty."""
        model = self.model(c.path, schedule=schedule)
        rng = np.random.default_rng([self.seed, 2])
        cuts = sorted(rng.integers(0, len(c.tokens) + 1, 4).tolist())
        for cuts in ([*cuts, cuts[-1]], ODD_CUTS):
            edges = [0, *cuts, len(c.tokens)]
            with model.state(1) as whole, model.state(1) as cut, model.state(1) as forgetful:
                rows = whole.score([c.tokens])
                pieces = [cut.score([c.tokens[a:b]]) for a, b in zip(edges, edges[1:])]
                self.alike(np.concatenate(pieces), rows, schedule, f"cut at {cuts}: score")
                self.same(cut.arrays(), whole.arrays(), schedule, f"cut at {cuts}")
                self.compare_state(c, whole.arrays(), 0, c.tokens)
                half = len(c.tokens) // 2
                forgotten = np.abs(forgetful.score([c.tokens[half:]]) - rows[half:]).max()
                if forgotten <= (0 if schedule == "step" else 10 * ROUNDING * np.abs(rows).max()):
                    raise Failed("too weak: calls that forget the state give the same")
            with model.state(1) as prefilled:
                last = None
                for a, b in zip(edges, edges[1:]):
                    found = prefilled.prefill([c.tokens[a:b]])
                    last = found if b > a else last
                    if b == a and not np.isnan(found).all():
                        raise Failed("the logits of no tokens are not NaN")
                self.alike(last[0], rows[-1], schedule, f"cut at {cuts}: prefill against score")
                self.same(prefilled.arrays(), self.scored(model, c.tokens), schedule, f"cut at {cuts}: prefill")
        model.close()

    def scored(self, model, tokens):
        with model.state(1) as state:
            state.score([tokens])
            return state.arrays()

    def packed(self, c, schedule):
        """Sequences of any length together and each alone."""
        model = self.model(c.path, schedule=schedule)
        rng = np.random.default_rng([self.seed, 3])
        for lengths in ([9], [4, 0], [0, 7, 1], [1, 1, 1, 1], [5, 0, 1, 17, 3], [0, 0], [16, 8, 33, 0, 15]):
            starts = rng.integers(
                0, len(c.tokens) - 48, len(lengths)
            )  # pieces of the text: near what it was trained on
            sequences = [c.tokens[a : a + n] for a, n in zip(starts, lengths)]
            more = [c.tokens[a + n : a + n + m] for a, n, m in zip(starts, lengths, reversed(lengths))]
            with model.state(len(lengths)) as together, model.state(len(lengths)) as scored:
                rows = [together.prefill(s) for s in (sequences, more)]
                scores = [scored.score(s) for s in (sequences, more)]
                arrays = together.arrays()
                self.same(arrays, scored.arrays(), schedule, f"{lengths}: prefill against score")
                at = [0, 0]
                for i in range(len(lengths)):
                    with model.state(1) as alone:
                        for j, part in enumerate((sequences[i], more[i])):
                            expected = alone.score([part])
                            found = scores[j][at[j] : at[j] + len(part)]
                            self.alike(found, expected, schedule, f"{lengths}: score of sequence {i}, alone,")
                            at[j] += len(part)
                            if part:
                                self.alike(
                                    rows[j][i], expected[-1], schedule, f"{lengths}: prefill of sequence {i}, alone,"
                                )
                            elif not np.isnan(rows[j][i]).all():
                                raise Failed(f"{lengths}: the row of sequence {i}, which has no tokens, is not NaN")
                        one = {n: x[:, 0] for n, x in alone.arrays().items()}
                        self.same(
                            {n: np.ascontiguousarray(x[:, i]) for n, x in arrays.items()},
                            one,
                            schedule,
                            f"{lengths}: sequence {i}",
                        )
                    tokens = sequences[i] + more[i]
                    if together.position(i) != len(tokens):
                        raise Failed(f"{lengths}: expected position {len(tokens)}, found {together.position(i)}")
                    if tokens and self.full:
                        expected = rwkv7_float64.forward(c.weights, tokens)[0]
                        tolerance = max(
                            c.tolerance, 3 * largest(forward(c.weights, tokens, dtype=np.float32)[0], expected)
                        )
                        found = np.concatenate(
                            [scores[0][at[0] - len(sequences[i]) : at[0]], scores[1][at[1] - len(more[i]) : at[1]]]
                        )
                        difference = largest(found, expected)
                        if not difference <= tolerance:
                            raise Failed(
                                f"{lengths}: sequence {i} differs by {difference:.3g}, tolerance {tolerance:.3g}"
                            )
        model.close()

    def decode(self, c, schedule):
        """One token at a time, for several sequences at once, against all tokens in one call."""
        model = self.model(c.path, schedule=schedule)
        count, tokens = 3, c.tokens[:20]
        sequences = [tokens[i:] + tokens[:i] for i in range(count)]
        with model.state(count) as stepped, model.state(count) as whole:
            rows = np.stack([stepped.decode([s[t] for s in sequences]) for t in range(len(tokens))], 1)
            expected = whole.score(sequences).reshape(rows.shape)
            self.alike(rows, expected, schedule, "decode against score")
            self.same(stepped.arrays(), whole.arrays(), schedule, "decode against score")
            if np.abs(rows[0] - rows[1]).max() <= 10 * ROUNDING * np.abs(rows).max():
                raise Failed("too weak: all sequences give the same")
        model.close()

    def goes_on(self, c, schedule):
        """A prompt of any length in one call, then one token at a time, then the rest: against all in one call."""
        model = self.model(c.path, schedule=schedule)
        count = 2
        for prompt in (1, 7, 8, 13, 31):
            sequences = [c.tokens[i : i + prompt + 12] for i in range(count)]
            with model.state(count) as whole, model.state(count) as parts, model.state(count) as forgetful:
                expected = whole.score(sequences).reshape(count, prompt + 12, -1)
                what = f"a prompt of {prompt}"
                first = parts.prefill([s[:prompt] for s in sequences])
                self.alike(first, np.ascontiguousarray(expected[:, prompt - 1]), schedule, f"{what}: prefill")
                for t in range(prompt, prompt + 5):
                    found = parts.decode([s[t] for s in sequences])
                    self.alike(found, np.ascontiguousarray(expected[:, t]), schedule, f"{what}: decode of token {t}")
                rest = parts.score([s[prompt + 5 :] for s in sequences]).reshape(count, 7, -1)
                self.alike(rest, np.ascontiguousarray(expected[:, prompt + 5 :]), schedule, f"{what}: the rest")
                self.same(parts.arrays(), whole.arrays(), schedule, what)
                forgotten = forgetful.decode([s[prompt] for s in sequences])
                if np.abs(forgotten - expected[:, prompt]).max() <= 10 * ROUNDING * np.abs(expected).max():
                    raise Failed("too weak: a decode that forgets the prompt gives the same")
        model.close()

    def schedules(self, c):
        """Logits and states of every schedule against those token by token."""
        results = {}
        for schedule in SCHEDULES:
            model = self.model(c.path, schedule=schedule)
            with model.state(2) as state:
                results[schedule] = state.score([c.tokens, c.tokens[1:]]), state.arrays()
            model.close()
        for schedule, (rows, arrays) in results.items():
            self.alike(rows, results["step"][0], schedule, f"{schedule} against step: score")
            self.same(arrays, results["step"][1], schedule, f"{schedule} against step")

    def threads(self, c):
        results = []
        for threads in (1, 3):
            model = self.model(c.path, threads)
            with model.state(2) as state:
                results.append((state.score([c.tokens, c.tokens[1:]]), state.arrays()))
            model.close()
        if not np.array_equal(results[0][0], results[1][0]):
            raise Failed("one thread and three differ")
        self.same(results[0][1], results[1][1], "step", "one thread and three")
        count = len(c.tokens)
        if np.array_equal(results[0][0][1:count], results[0][0][count:]):
            raise Failed("too weak: both sequences give the same")


def run(tool, report, seed, full, selected):
    Models(tool, report, seed, full, selected).run()
