# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random token regions: drawing them, what they mean, which schedules they allow, making a failing one smaller."""
