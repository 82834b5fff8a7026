// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "rwkv-run/Options.h"

int main(int argc, char **argv) { return rwkv::run::runTool(argc, argv); }
