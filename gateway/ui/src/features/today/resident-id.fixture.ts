/** A number of the region 990000, which is nobody's, with its right check digit. */
export function residentNumber(born: string, order: string): string {
  const head = `990000${born.replaceAll('-', '')}${order}`;
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const total = weights.reduce((sum, weight, at) => sum + weight * Number(head[at]), 0);
  return head + '10X98765432'[total % 11];
}
