"""An autograd engine for single numbers: what PyTorch does with tensors, in one class of plain Python.

While an expression is computed, every result remembers what it was computed from and how steeply it changes with each of
those: its local slopes. They form a graph, from the result back to the first numbers. `backward` walks it once in
reverse and multiplies the slopes along every path; where paths meet again, it adds. That is the chain rule, and all of
backpropagation.
"""

import math


class Value:
    """A number that knows how it was computed, so that it can be differentiated with respect to all it came from.

        a, b = Value(2.0), Value(-3.0)
        y = a * b + a       # 2 · -3 + 2 = -4
        y.backward()        # now a.grad is b + 1 = -2, and b.grad is a = 2

    `v.data` is the number, a float. `v.grad` is the derivative of whatever `backward` was called on with respect to v, a
    float, 0.0 to begin with. Computing something from Values changes neither.

    Operators: `+ - * /` between two Values, or a Value and an int or float on either side; `-v`; and `v ** n` with an
    int or float n, which is a constant. Each gives a new Value. Python turns `2 + v` into `v.__radd__(2)`, and likewise
    for `-`, `*` and `/`. Division by zero raises ZeroDivisionError, as it does for floats.

    A Value may be used any number of times, twice in one operation included (`v * v`), and graphs may be deep: a sum
    that is accumulated over 50,000 steps is a chain of 50,000 Values. So recursion will not do, and every Value of a
    graph is to be visited once, however many ways lead to it.

    How a Value remembers is your own affair. One way is prepared at the end of the file: `_result(data, (a, 3.0), (b,
    1.0))` is a Value that was computed from a and b and has the local slopes 3 and 1 with respect to them; it keeps
    these pairs in its attribute `inputs`, which is () for a number that was not computed.

    Args:
        data: the number.

    Reference:
        Baydin, Pearlmutter, Radul & Siskind, Automatic differentiation in machine learning: a survey (2018), section
        3.2. Karpathy, micrograd (2020).

    Example:
        >>> x, w = Value(2.0), Value(-0.5)
        >>> y = (1 - x * w) / x + x**2  # 1/x - w + x²
        >>> y.backward()
        >>> y.data, x.grad, w.grad  # 1/2 + 1/2 + 4, -1/x² + 2x, -1
        (5.0, 3.75, -1.0)
    """

    def __init__(self, data: float):
        # BEGIN SOLUTION
        self.data = float(data)
        self.grad = 0.0
        self.inputs = ()
        # END SOLUTION

    def __repr__(self) -> str:
        return f"Value({self.data:g}, grad={self.grad:g})"

    def __add__(self, other: "Value | float") -> "Value":
        """self + other."""
        # BEGIN SOLUTION
        other = _as_value(other)
        return _result(self.data + other.data, (self, 1.0), (other, 1.0))
        # END SOLUTION

    def __mul__(self, other: "Value | float") -> "Value":
        """self · other."""
        # BEGIN SOLUTION
        other = _as_value(other)
        return _result(self.data * other.data, (self, other.data), (other, self.data))
        # END SOLUTION

    def __pow__(self, exponent: float) -> "Value":
        """self ** exponent, for an exponent that is a number. With the exponent 0 the slope is 0, also at 0."""
        # BEGIN SOLUTION
        slope = exponent * self.data ** (exponent - 1) if exponent else 0.0
        return _result(self.data**exponent, (self, slope))
        # END SOLUTION

    def __neg__(self) -> "Value":
        """-self."""
        # BEGIN SOLUTION
        return self * -1.0
        # END SOLUTION

    def __sub__(self, other: "Value | float") -> "Value":
        """self - other."""
        # BEGIN SOLUTION
        return self + -other
        # END SOLUTION

    def __truediv__(self, other: "Value | float") -> "Value":
        """self / other."""
        # BEGIN SOLUTION
        return self * _as_value(other) ** -1
        # END SOLUTION

    def __radd__(self, other: float) -> "Value":
        """other + self, for a number on the left. `sum` begins with 0 and so needs it."""
        # BEGIN SOLUTION
        return self + other
        # END SOLUTION

    def __rmul__(self, other: float) -> "Value":
        """other · self, for a number on the left."""
        # BEGIN SOLUTION
        return self * other
        # END SOLUTION

    def __rsub__(self, other: float) -> "Value":
        """other - self, for a number on the left."""
        # BEGIN SOLUTION
        return -self + other
        # END SOLUTION

    def __rtruediv__(self, other: float) -> "Value":
        """other / self, for a number on the left."""
        # BEGIN SOLUTION
        return self**-1 * other
        # END SOLUTION

    def exp(self) -> "Value":
        """e to the power of self."""
        # BEGIN SOLUTION
        y = math.exp(self.data)
        return _result(y, (self, y))
        # END SOLUTION

    def tanh(self) -> "Value":
        """The hyperbolic tangent, right for any number, ±1000 included."""
        # BEGIN SOLUTION
        y = math.tanh(self.data)
        return _result(y, (self, 1.0 - y**2))
        # END SOLUTION

    def relu(self) -> "Value":
        """self where it is positive, else 0. At exactly 0 the slope is 0."""
        # BEGIN SOLUTION
        return _result(max(self.data, 0.0), (self, float(self.data > 0)))
        # END SOLUTION

    def topological_order(self) -> list["Value"]:
        """This Value and all that it was computed from, each once, every one behind those it was computed from.

        Numbers that took part as plain ints or floats may be among them, as Values, or not.

        Returns:
            A list that ends with this Value.

        Example:
            >>> a = Value(1.0)
            >>> b = a.exp()
            >>> c = a * b
            >>> c.topological_order() == [a, b, c]
            True
        """
        # BEGIN SOLUTION
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            value, is_done = stack.pop()
            if is_done:  # everything that was pushed above it has been popped
                order.append(value)
            elif value not in seen:
                seen.add(value)
                stack.append((value, True))
                stack.extend((source, False) for source, _ in value.inputs)
        return order
        # END SOLUTION

    def backward(self) -> None:
        """Add the derivative of this Value with respect to v to `v.grad`, for every v that it was computed from.

        That includes this Value itself, whose derivative is 1, and everything between it and the first numbers. The
        derivatives are worked out anew in every call, whatever the `.grad`s are, and then added. So a second call adds
        the same again, and calls on two results that share some Values leave the gradients of their sum, as in PyTorch.
        """
        # BEGIN SOLUTION
        slopes = {self: 1.0}  # of this Value with respect to others; complete once all that lead there were visited
        for value in reversed(self.topological_order()):
            value.grad += slopes[value]
            for source, slope in value.inputs:
                slopes[source] = slopes.get(source, 0.0) + slope * slopes[value]
        # END SOLUTION

    def zero_grad(self) -> None:
        """Set `.grad` back to 0.0, of this Value and of all that it was computed from."""
        # BEGIN SOLUTION
        for value in self.topological_order():
            value.grad = 0.0
        # END SOLUTION


def _as_value(number: Value | float) -> Value:
    """A Value as it is, and a number as a Value."""
    return number if isinstance(number, Value) else Value(number)


def _result(data: float, *inputs: tuple[Value, float]) -> Value:
    """A Value that was computed, with what it was computed from: pairs (Value, local slope)."""
    value = Value(data)
    value.inputs = inputs
    return value
