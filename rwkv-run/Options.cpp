// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Options.h"
#include "rwkv-run/Support.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

namespace rwkv::run {

namespace {

// Numbers are parsed here and not by CLI11, which takes 010 for 8 and reports less.

template <typename T> bool parseWhole(std::string_view text, T &value) {
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size();
}

/// The help of an option without what CLI11 adds to the type, and in lines of a readable length.
class HelpFormatter : public CLI::Formatter {
public:
  HelpFormatter() { column_width(34); }
  std::string make_option_opts(const CLI::Option *option) const override {
    std::string type = option->get_type_name();
    return (type.empty() ? "" : " " + type) +
           (option->get_required() && !option->get_positional() ? " (required)" : "");
  }
  std::string make_option_desc(const CLI::Option *option) const override {
    std::string text = option->get_description(), out;
    for (size_t width = 86; text.size() > width;) {
      size_t space = text.rfind(' ', width);
      if (space == std::string::npos) {
        break;
      }
      out += text.substr(0, space) + "\n";
      text.erase(0, space + 1);
    }
    return out + text;
  }
};

double parseNumber(const std::string &text, const std::string &what) {
  double value = 0;
  if (!parseWhole(text, value) || !std::isfinite(value)) {
    throw UsageError(what + ": expected a number, found " + inQuotes(text));
  }
  return value;
}

/// An option whose one argument goes to `set` as it is, each time it is given.
CLI::Option *addText(CLI::App *app, const std::string &name, const std::string &placeholder,
                     std::function<void(const std::string &)> set, const std::string &help, bool repeatable = false) {
  CLI::callback_t callback = [set = std::move(set)](const CLI::results_t &results) {
    for (const std::string &text : results) {
      set(text);
    }
    return true;
  };
  return app->add_option(name, callback, help)
      ->type_name(placeholder)
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(repeatable ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw);
}

/// An option whose argument is one of at least two words.
CLI::Option *addChoice(CLI::App *app, const std::string &name, const std::vector<std::string> &choices, std::string &to,
                       const std::string &help) {
  std::string placeholder, list;
  for (size_t i = 0; i < choices.size(); ++i) {
    placeholder += (i == 0 ? "" : "|") + choices[i];
    list += (i == 0 ? "" : i + 1 < choices.size() ? ", " : " or ") + choices[i];
  }
  return addText(
      app, name, placeholder,
      [=, &to](const std::string &text) {
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
          throw UsageError(name + ": expected " + list + ", found " + inQuotes(text));
        }
        to = text;
      },
      help);
}

CLI::Option *addString(CLI::App *app, const std::string &name, const std::string &placeholder, std::string &to,
                       const std::string &help) {
  return addText(
      app, name, placeholder,
      [&to, name](const std::string &text) {
        if (text.empty()) {
          throw UsageError(name.substr(name.rfind(',') + 1) + ": expected a value, found an empty one");
        }
        to = text;
      },
      help);
}

CLI::Option *addInteger(CLI::App *app, const std::string &name, int64_t &to, int64_t low, int64_t high,
                        const std::string &help) {
  return addText(
      app, name, "N",
      [&to, name, low, high](const std::string &text) {
        if (!parseWhole(text, to) || to < low || to > high) {
          throw UsageError(format("%s: expected an integer from %lld to %lld, found %s", name.c_str(), (long long)low,
                                  (long long)high, inQuotes(text).c_str()));
        }
      },
      help);
}

CLI::Option *addPath(CLI::App *app, const std::string &name, std::string &to, const std::string &help) {
  return app->add_option(name, to, help)->type_name("")->required();
}

void addCommon(CLI::App *app, CommonOptions &o, bool sourceIsPositional) {
  const char *group = "Compiling and running";
  std::vector<CLI::Option *> all;
  CLI::Option *spec = nullptr, *pack = nullptr;
  if (!sourceIsPositional) {
    spec = addString(app, "--spec", "FILE", o.spec,
                     "Spec to compile, or a pack; a folder: the one spec in it that fits the checkpoint (default: the "
                     "specs that come with the tool)");
    pack = addString(app, "--pack", "FILE", o.pack, "Run this pack instead of compiling")->excludes(spec);
    all = {spec, pack};
  }
  CLI::Option *param = addText(
      app, "--param", "NAME=VALUE",
      [&o](const std::string &text) {
        size_t equals = text.find('=');
        if (equals == 0 || equals == std::string::npos) {
          throw UsageError("--param: expected NAME=VALUE, found " + inQuotes(text));
        }
        std::string name = text.substr(0, equals);
        o.params.emplace_back(name, parseNumber(text.substr(equals + 1), "--param " + name));
      },
      "Value for a parameter of the spec, e.g. ln_x_eps=1e-5 (repeatable)", true);
  CLI::Option *schedule = addChoice(
      app, "--schedule", {"auto", "step", "scan", "chunk"}, o.schedule,
      "How recurrences run: auto chooses (default), step is token by token, scan and chunk take several tokens at "
      "once");
  CLI::Option *chunk = addInteger(app, "--chunk", o.chunk, 0, 1024, "Tokens of a scan or chunk; 0: chosen (default)");
  CLI::Option *fill =
      addInteger(app, "--fill", o.fill, -1, 65536,
                 "Tasks that long sequences of few heads are cut into segments for, in chunks; 0: none, "
                 "-1: chosen (default)");
  CLI::Option *split =
      addInteger(app, "--split", o.split, 0, 4096,
                 "Tasks that share a head, each with a part of the value axis; 1: none, 0: chosen (default)");
  CLI::Option *precision = addChoice(
      app, "--precision", {"auto", "f32", "tf32", "bf16"}, o.precision,
      "What matrix instructions may round operands of chunks to: auto (default) is tf32 where all operands have 16 "
      "bits, else f32, which rounds nothing");
  if (pack) {
    pack->excludes(param)->excludes(schedule)->excludes(chunk)->excludes(fill)->excludes(split)->excludes(precision);
  }
  all.insert(all.end(), {param, schedule, chunk, fill, split, precision});
  all.push_back(addString(app, "--device", "host|cuda|cuda:N", o.device,
                          "Device to run on, and to compile for: host (default), or an NVIDIA GPU (cuda is cuda:0)"));
  all.push_back(addInteger(app, "--threads", o.threads, 0, 1024,
                           "Threads of the host; 0: one per available CPU (default); other devices use none"));
  all.push_back(app->add_flag("--no-cache", o.noCache, "Compile anew and keep nothing"));
  all.push_back(app->add_flag("--no-graphs", o.noGraphs,
                              "Launch every kernel of a device by itself, also where all have run before"));
  all.push_back(
      app->add_flag("--allow-unused", o.allowUnused, "Ignore tensors of the checkpoint that no weight names"));
  all.push_back(app->add_flag("--quiet", o.quiet, "Only results and errors"));
  all.push_back(app->add_flag("--progress", o.progress, "Report progress even if stderr is not a terminal"));
  for (CLI::Option *option : all) {
    option->group(group);
  }
}

void addTokenizer(CLI::App *app, std::string &to) {
  addString(
      app, "--tokenizer", "bytes|FILE", to,
      "Vocabulary in the format of RWKV World (lines `id literal length`), or bytes, the default of models with 256 "
      "tokens");
}

const char *const cacheHelp =
    "Compiled packs are kept in $RWKV_CACHE_DIR, $XDG_CACHE_HOME/rwkv-mlir or ~/.cache/rwkv-mlir, which must have mode "
    "0700.";

void addInfo(CLI::App &app, InfoOptions &o) {
  CLI::App *sub = app.add_subcommand("info", "Describe a pack, a checkpoint or a device");
  addPath(sub, "file", o.file, "Pack, or checkpoint (.safetensors)")->required(false);
  sub->add_flag("--json", o.json, "As JSON: the manifest of a pack, or the tensors of a checkpoint");
  addString(sub, "--device", "host|cuda|cuda:N", o.device,
            "Device on which a pack should run (default: host); without a file: which --target of rwkv-opt fits it");
  sub->footer("Examples:\n"
              "  rwkv-run info model.safetensors\n"
              "  rwkv-run info model.pack --json\n"
              "  rwkv-run info --device cuda");
}

void addGenerate(CLI::App &app, GenerateOptions &o) {
  CLI::App *sub = app.add_subcommand("generate", "Continue a prompt; the text goes to stdout as it is made");
  addPath(sub, "checkpoint", o.checkpoint, "Checkpoint (.safetensors)");
  auto *prompt =
      addText(sub, "--prompt", "TEXT", [&o](const std::string &text) { o.prompt = text; }, "Text to continue");
  addString(sub, "--prompt-file", "FILE", o.promptFile, "File with the text to continue; -: standard input")
      ->excludes(prompt);
  addInteger(sub, "--tokens", o.tokens, 0, INT64_MAX, "Tokens to make at most (default: 128)");
  addText(
      sub, "--temperature", "X",
      [&o](const std::string &text) {
        o.temperature = parseNumber(text, "--temperature");
        if (o.temperature < 0) {
          throw UsageError("--temperature: expected a number >= 0, found " + inQuotes(text));
        }
      },
      "0: always the most likely token (default: 1)");
  addText(
      sub, "--top-p", "P",
      [&o](const std::string &text) {
        o.topP = parseNumber(text, "--top-p");
        if (o.topP <= 0 || o.topP > 1) {
          throw UsageError("--top-p: expected a number above 0 and at most 1, found " + inQuotes(text));
        }
      },
      "Sample from the fewest tokens whose probabilities sum to P (default: 0.9; 1: from all)");
  addText(
      sub, "--seed", "N",
      [&o](const std::string &text) {
        uint64_t seed = 0;
        if (!parseWhole(text, seed)) {
          throw UsageError("--seed: expected an integer from 0 to 18446744073709551615, found " + inQuotes(text));
        }
        o.seed = seed;
      },
      "Same seed, same text (default: random, shown on stderr)");
  addText(
      sub, "--stop", "TEXT",
      [&o](const std::string &text) {
        if (text.empty()) {
          throw UsageError("--stop: expected a text, found an empty one");
        }
        o.stops.push_back(text);
      },
      "End where this text would appear; it is not shown (repeatable)", true);
  addString(sub, "--state-in", "FILE", o.stateIn, "Start from this state instead of zeros");
  addString(sub, "--state-out", "FILE", o.stateOut,
            "Keep the state after the prompt and everything generated, a stop text included, the end of text not");
  addTokenizer(sub, o.tokenizer);
  addCommon(sub, o, false);
  sub->footer(
      std::string("Only the continuation is shown. Without a prompt a model with a World vocabulary starts at its "
                  "token 0.\n") +
      cacheHelp +
      "\n\nExamples:\n"
      "  rwkv-run generate model.safetensors --prompt 'Once upon a time' --tokens 200 --seed 1\n"
      "  rwkv-run generate world.safetensors --tokenizer rwkv_vocab_v20230424.txt --prompt-file chat.txt \\\n"
      "      --stop $'\\n\\nUser:' --temperature 0\n"
      "  rwkv-run generate model.safetensors --prompt-file book.txt --tokens 0 --state-out book.state\n"
      "  rwkv-run generate model.safetensors --state-in book.state --prompt 'Then'");
}

void addLogits(CLI::App &app, LogitsOptions &o) {
  CLI::App *sub = app.add_subcommand("logits", "Logits after a list of tokens");
  addPath(sub, "checkpoint", o.checkpoint, "Checkpoint (.safetensors)");
  auto *tokens = addText(
      sub, "--tokens", "1,2,3",
      [&o](const std::string &text) {
        try {
          o.tokens = parseTokenList(text, "--tokens");
        } catch (const Error &error) {
          throw UsageError(error.what());
        }
      },
      "Tokens, separated by commas");
  addString(sub, "--tokens-file", "FILE", o.tokensFile,
            "Text with tokens separated by commas or white space, or .npy of i32 or i64; -: standard input")
      ->excludes(tokens);
  sub->add_flag("--all", o.all, "At every position instead of the last");
  addString(sub, "-o,--output", "FILE.npy", o.output,
            "Write float32 [V], with --all [T, V]; without -o the five largest are shown");
  addTokenizer(sub, o.tokenizer);
  addCommon(sub, o, false);
  sub->footer(std::string("--tokenizer only makes the list readable.\n") + cacheHelp +
              "\n\nExamples:\n"
              "  rwkv-run logits model.safetensors --tokens 72,101,108,108\n"
              "  rwkv-run logits model.safetensors --tokens-file tokens.npy --all -o logits.npy");
}

void addCall(CLI::App &app, CallOptions &o) {
  CLI::App *sub = app.add_subcommand("call", "Run a function of a spec on arrays");
  addPath(sub, "spec", o.source, "Spec (.mlir) or pack");
  addPath(sub, "function", o.function, "Name of the function");
  sub->add_option("inputs", o.inputs, "One array per argument, see below")->type_name("");
  addString(sub, "-o,--output", "PREFIX", o.output, "Results go to PREFIX0.npy, PREFIX1.npy, ..")->required();
  addString(sub, "--checkpoint", "FILE", o.checkpoint, "Checkpoint (.safetensors), for functions that use weights");
  addCommon(sub, o, true);
  sub->footer(std::string("Arrays: x.npy (f2, f4, f8, i4, i8, u1; C order), x.safetensors (all of its arrays, in the "
                          "order of the file) or\n"
                          "x.safetensors:NAME (one of them).\n"
                          "Floating point arrays are converted to the type of the argument (f16, bf16, f32, f64), "
                          "rounded to nearest even,\n"
                          "and i8 to i4 and back if the values fit; any other difference in type, rank or shape is an "
                          "error. .npy has no\n"
                          "bf16: such results are written as f4, exactly.\n") +
              cacheHelp +
              "\n\nExamples:\n"
              "  rwkv-run call region.mlir f q.npy k.npy v.npy g.npy beta.npy s0.npy -o out_\n"
              "  rwkv-run call region.mlir f inputs.safetensors -o out_ --schedule step\n"
              "  rwkv-run call region.pack f inputs.safetensors:q k.npy v.npy g.npy beta.npy s0.npy -o out_");
}

} // namespace

std::vector<int32_t> parseTokenList(std::string_view text, const std::string &what) {
  std::vector<int32_t> tokens;
  auto isSpace = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  size_t at = 0;
  auto skipSpace = [&] {
    while (at < text.size() && isSpace(text[at])) {
      ++at;
    }
  };
  skipSpace();
  while (at < text.size()) {
    size_t stop = at;
    while (stop < text.size() && !isSpace(text[stop]) && text[stop] != ',') {
      ++stop;
    }
    int32_t token = -1;
    if (!parseWhole(text.substr(at, stop - at), token) || token < 0) {
      throw Error(format("%s: element %zu: expected a token, an integer from 0 to 2147483647, found %s", what.c_str(),
                         tokens.size(), inQuotes(text.substr(at, std::min<size_t>(stop - at, 40))).c_str()));
    }
    tokens.push_back(token);
    at = stop;
    skipSpace();
    if (at < text.size() && text[at] == ',') {
      ++at;
      skipSpace();
      if (at == text.size()) {
        throw Error(what + ": expected a token after the last comma, found the end");
      }
    }
  }
  return tokens;
}

Options parseOptions(int argc, const char *const *argv) {
  CLI::App app("Runs recurrent sequence models: compiles a spec for a checkpoint, or takes a pack.", "rwkv-run");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.set_version_flag("--version", "rwkv-run " RWKV_VERSION);
  app.footer("`rwkv-run COMMAND --help` has the options and examples of a command.\n"
             "Exit codes: 0 done, 1 failed, 2 wrong usage.\n\n"
             "Examples:\n"
             "  rwkv-run generate model.safetensors --prompt 'Once upon a time'\n"
             "  rwkv-run info model.safetensors");

  InfoOptions info;
  GenerateOptions generate;
  LogitsOptions logits;
  CallOptions call;
  addInfo(app, info);
  addGenerate(app, generate);
  addLogits(app, logits);
  addCall(app, call);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    return HelpOptions{app.help()};
  } catch (const CLI::CallForVersion &version) {
    return HelpOptions{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError &error) {
    if (app.get_subcommands().empty() && (argc < 2 || argv[1][0] != '-')) {
      throw UsageError("expected a command, info, generate, logits or call, found " +
                       (argc < 2 ? "none" : inQuotes(argv[1])));
    }
    throw UsageError(error.what());
  }

  std::string command = app.get_subcommands().front()->get_name();
  if (command == "info") {
    if (info.file.empty() && (info.device.empty() || info.json)) {
      throw UsageError(info.json ? "info: expected a file with --json, found none"
                                 : "info: expected a file or --device, found neither");
    }
    return info;
  }
  if (command == "call") {
    call.spec = call.source;
    return call;
  }
  if (command == "logits") {
    if (!logits.tokens && logits.tokensFile.empty()) {
      throw UsageError("logits: expected --tokens or --tokens-file, found neither");
    }
    return logits;
  }
  if (!generate.stateIn.empty() && !generate.prompt && generate.promptFile.empty()) {
    throw UsageError("generate: expected --prompt or --prompt-file with --state-in, found neither");
  }
  return generate;
}

} // namespace rwkv::run
